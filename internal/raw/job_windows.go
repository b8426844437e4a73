package raw

import (
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Job is a job object: processes, and all that they make. Unless Let is called, they end
// when its last handle is closed, and so when this process ends.
type Job struct {
	mu     sync.Mutex
	handle windows.Handle // 0 once it is closed
	limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
}

// JobLimits bound all processes of a job together. Zero is no limit.
type JobLimits struct {
	Memory uintptr // committed, in bytes
	Procs  uint32
	CPU    float64 // of processors
}

// JobUsage is what the processes of a job have used, with those that have ended.
type JobUsage struct {
	PeakMemory   uint64 // committed, in bytes
	User, System time.Duration
	Processes    int // that were ever in it
	Read, Write  uint64
	HasIO        bool // Read and Write are known
}

// Package windows has no structures for these.
type (
	jobAccounting struct {
		TotalUserTime, TotalKernelTime           int64 // in 100 ns
		ThisPeriodTotalUserTime, ThisPeriodTotal int64
		TotalPageFaultCount                      uint32
		TotalProcesses                           uint32
		ActiveProcesses                          uint32
		TotalTerminatedProcesses                 uint32
	}
	jobIO struct {
		jobAccounting
		IO windows.IO_COUNTERS
	}
	jobCPURate struct{ ControlFlags, CPURate uint32 }
)

var (
	kernel32      = windows.NewLazySystemDLL("kernel32.dll")
	setJobInfo    = kernel32.NewProc("SetInformationJobObject")
	queryJobInfo  = kernel32.NewProc("QueryInformationJobObject")
	resumeProcess = windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess")
	errJobClosed  = os.ErrClosed
)

const (
	cpuRateEnable  = 0x1
	cpuRateHardCap = 0x4
	wholeCPU       = 10000 // all processors
)

// NewJob makes a job object without a name, which no child inherits.
func NewJob(l JobLimits) (*Job, error) {
	h, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, os.NewSyscallError("CreateJobObject", err)
	}
	j := &Job{handle: h}
	if err := j.limit(l); err != nil {
		windows.CloseHandle(h)
		return nil, err
	}
	return j, nil
}

func (j *Job) limit(l JobLimits) error {
	b := &j.limits.BasicLimitInformation
	b.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if l.Memory > 0 {
		b.LimitFlags |= windows.JOB_OBJECT_LIMIT_JOB_MEMORY
		j.limits.JobMemoryLimit = l.Memory
	}
	if l.Procs > 0 {
		b.LimitFlags |= windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS
		b.ActiveProcessLimit = l.Procs
	}
	if err := setJob(j.handle, windows.JobObjectExtendedLimitInformation, &j.limits); err != nil {
		return err
	}
	if l.CPU <= 0 || l.CPU >= float64(runtime.NumCPU()) {
		return nil
	}
	rate := jobCPURate{cpuRateEnable | cpuRateHardCap, max(1, uint32(l.CPU*wholeCPU/float64(runtime.NumCPU())))}
	return setJob(j.handle, windows.JobObjectCpuRateControlInformation, &rate)
}

func setJob[T any](h windows.Handle, class uint32, info *T) error {
	ok, _, err := setJobInfo.Call(uintptr(h), uintptr(class), uintptr(unsafe.Pointer(info)), unsafe.Sizeof(*info))
	if ok == 0 {
		return os.NewSyscallError("SetInformationJobObject", err)
	}
	return nil
}

func queryJob[T any](h windows.Handle, class uint32, info *T) error {
	ok, _, err := queryJobInfo.Call(uintptr(h), uintptr(class), uintptr(unsafe.Pointer(info)), unsafe.Sizeof(*info), 0)
	if ok == 0 {
		return os.NewSyscallError("QueryInformationJobObject", err)
	}
	return nil
}

// Begin puts a process into the job that was made with CREATE_SUSPENDED and has not run
// yet, and lets it run if resume is set. After an error the process has not run.
func (j *Job) Begin(process uintptr, resume bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.handle == 0 {
		return errJobClosed
	}
	if err := windows.AssignProcessToJobObject(j.handle, windows.Handle(process)); err != nil {
		return os.NewSyscallError("AssignProcessToJobObject", err)
	}
	if !resume {
		return nil
	}
	// Package syscall closes the handle of the thread.
	if status, _, _ := resumeProcess.Call(process); status != 0 {
		return os.NewSyscallError("NtResumeProcess", windows.NTStatus(status))
	}
	return nil
}

// Terminate ends all processes of the job with an exit code. It waits for none.
func (j *Job) Terminate(code uint32) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.handle == 0 {
		return errJobClosed
	}
	return os.NewSyscallError("TerminateJobObject", windows.TerminateJobObject(j.handle, code))
}

// Active is how many processes are in the job.
func (j *Job) Active() (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.handle == 0 {
		return 0, errJobClosed
	}
	var a jobAccounting
	err := queryJob(j.handle, windows.JobObjectBasicAccountingInformation, &a)
	return int(a.ActiveProcesses), err
}

// Usage is what the job has used so far.
func (j *Job) Usage() (u JobUsage, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.handle == 0 {
		return u, errJobClosed
	}
	var a jobAccounting
	if err := queryJob(j.handle, windows.JobObjectBasicAccountingInformation, &a); err != nil {
		return u, err
	}
	const unit = 100 * time.Nanosecond
	u.User, u.System = time.Duration(a.TotalUserTime)*unit, time.Duration(a.TotalKernelTime)*unit
	u.Processes = int(a.TotalProcesses)
	var l windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	if queryJob(j.handle, windows.JobObjectExtendedLimitInformation, &l) == nil {
		u.PeakMemory = uint64(l.PeakJobMemoryUsed)
	}
	var io jobIO
	if queryJob(j.handle, windows.JobObjectBasicAndIoAccountingInformation, &io) == nil { // Wine has none
		u.Read, u.Write, u.HasIO = io.IO.ReadTransferCount, io.IO.WriteTransferCount, true
	}
	return u, nil
}

// Close closes the job, and so ends its processes.
func (j *Job) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.handle == 0 {
		return errJobClosed
	}
	h := j.handle
	j.handle = 0
	return os.NewSyscallError("CloseHandle", windows.CloseHandle(h))
}

// Let closes the job and lets its processes live.
func (j *Job) Let() {
	j.mu.Lock()
	j.limits.BasicLimitInformation.LimitFlags &^= windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if j.handle != 0 {
		_ = setJob(j.handle, windows.JobObjectExtendedLimitInformation, &j.limits) // it has worked before
	}
	j.mu.Unlock()
	_ = j.Close() // fails when it was closed before
}
