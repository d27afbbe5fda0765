package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// identityEnd begins what is not for people: when a process started, in the kernel's ticks, since its number comes again.
const identityEnd = " (since tick "

// helmfile is a process that changes a namespace by starting helm.
type helmfile struct {
	pid     int
	pidfd   int
	group   string
	started string
}

// follow finds the process; its descriptor stays its own, even where the number is given to another.
func follow(pid int) (*helmfile, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("process %d, for which the namespace is to be held, cannot be followed: %w", pid, err)
	}
	fields, err := stat(pid)
	if err != nil {
		return nil, fmt.Errorf("process %d, for which the namespace is to be held: %w", pid, err)
	}
	return &helmfile{pid: pid, pidfd: pidfd, group: fields.group, started: fields.started}, nil
}

// identity tells people who it is, and it from every other process of every machine.
func (h *helmfile) identity(who string) string {
	return fmt.Sprintf("%s, process %d%s%s)", who, h.pid, identityEnd, h.started)
}

// endsWithin waits for its end, no longer than a while.
func (h *helmfile) endsWithin(while time.Duration) bool {
	poll := []unix.PollFd{{Fd: int32(h.pidfd), Events: unix.POLLIN}}
	n, _ := unix.Poll(poll, int(while.Milliseconds()))
	return n > 0
}

// hasHelm tells whether a helm of its process group runs: helmfile, when it is interrupted or killed, does not wait for
// those that it started, and they go on, or back.
func (h *helmfile) hasHelm() bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		fields, err := stat(pid)
		if err == nil && fields.name == "helm" && fields.group == h.group && fields.state != "Z" {
			return true
		}
	}
	return false
}

type processStat struct{ name, state, group, started string }

// stat reads what proc_pid_stat(5) numbers 2, 3, 5 and 22.
func stat(pid int) (processStat, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processStat{}, err
	}
	open, end := bytes.IndexByte(content, '('), bytes.LastIndexByte(content, ')')
	rest := strings.Fields(string(content[end+1:]))
	if open < 0 || end < open || len(rest) < 20 {
		return processStat{}, fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	return processStat{name: string(content[open+1 : end]), state: rest[0], group: rest[2], started: rest[19]}, nil
}
