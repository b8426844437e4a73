#include <pthread.h>
#include <stdio.h>

extern int Status(char *script);

/* Each thread starts children, beside those of C. */
static void *run(void *failed)
{
	for (int i = 0; i < 20; i++)
		if (Status("exit 7") != 7 || Status("kill -9 $$") != -1)
			*(int *)failed = 1;
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	int failed = 0;
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, run, &failed) != 0)
			return 2;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	if (failed)
		fprintf(stderr, "a status was wrong\n");
	return failed;
}
