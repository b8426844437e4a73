package slogspawn_test

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/slogspawn"
)

// Spawn and exit are logged on the debug level.
func Example() {
	h := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.LevelKey, slog.MessageKey, "path", "status":
				return a
			}
			return slog.Attr{} // what is different each time
		},
	})
	_, err := spawn.Run(context.Background(), &spawn.Spec{
		Path:   "/bin/sh",
		Args:   []string{"sh", "-c", "exit 1"},
		Logger: slogspawn.New(slog.New(h)),
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// level=DEBUG msg=spawned path=/bin/sh
	// level=DEBUG msg=exited status="exit status 1"
}
