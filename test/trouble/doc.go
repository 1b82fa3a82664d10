// Package trouble gives programs under test a machine that is in trouble: a disk
// that is full, a disk that is slow, a clock that is wrong. The programs are the
// real ones and know nothing of it.
//
// A Disk is a small filesystem in memory that no directory shows: it is reached
// through the process that made it, and is gone with that process, however it
// ends.
//
// A Machine has a clock and a disk whose writes take as long as it is told. A
// program is started on it by this very program (Main, Wrap): a seccomp filter
// hands its fsync(2), fdatasync(2) and clock_gettime(CLOCK_REALTIME) to a process
// beside it (seccomp_unotify(2)), which lets them wait, or answers with another
// time. Everything else, the monotonic clock too, goes to the kernel as ever.
//
// Go programs read the clock without the kernel, in the vDSO. They find it by
// their auxiliary vector (getauxval(3), AT_SYSINFO_EHDR), which they read right
// after their first system call, arch_prctl(2): at that moment the entry is taken
// out. A C library has read it before, so C programs keep the machine's clock.
package trouble
