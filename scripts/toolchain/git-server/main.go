// Serves bare git repositories over HTTP inside a cluster, through git's own http-backend: whoever reaches the pod may
// read, and only who reaches the pod's loopback address, which is what a port-forward does, may push.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const (
	backend    = "/usr/lib/git-core/git-http-backend"
	pushLimit  = 1 << 30 // bytes of one push
	headerTime = 10 * time.Second
	endTime    = 5 * time.Second
)

func main() {
	root := flag.String("root", "/srv/git", "folder of the repositories")
	read := flag.String("read", ":8080", "address to read on")
	push := flag.String("push", "127.0.0.1:8081", "address to read and to push on")
	flag.Parse()
	if err := run(*root, *read, *push, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "git-server:", err)
		os.Exit(1)
	}
}

// run makes the repositories that are missing, and serves until a signal says to stop.
func run(root, read, push string, repositories []string) error {
	for _, name := range repositories {
		if err := create(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	servers := []*http.Server{
		{Addr: read, Handler: handler(root), ReadHeaderTimeout: headerTime},
		// To git's backend, a user is somebody who may push.
		{Addr: push, Handler: handler(root, "REMOTE_USER=port-forward"), ReadHeaderTimeout: headerTime},
	}
	ended := make(chan error, len(servers))
	for _, server := range servers {
		go func() { ended <- server.ListenAndServe() }()
	}
	select {
	case err := <-ended:
		return err
	case <-stop.Done():
	}
	last, done := context.WithTimeout(context.Background(), endTime)
	defer done()
	var failed error
	for _, server := range servers {
		failed = errors.Join(failed, server.Shutdown(last))
	}
	return failed
}

func create(path string) error {
	for _, words := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", "--template=", path},
		// A checkout of one commit, which is what CI has, may be pushed too.
		{"-C", path, "config", "receive.shallowUpdate", "true"},
	} {
		command := exec.Command("git", words...)
		command.Stderr = os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func handler(root string, more ...string) http.Handler {
	git := &cgi.Handler{
		Path:       backend,
		Env:        append([]string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, more...),
		InheritEnv: []string{"PATH", "HOME"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/", whole(git))
	return mux
}

// whole gives a handler requests whose length is known, as CGI wants it: git sends what is large in chunks.
func whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		spool, err := os.CreateTemp("", "push-")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInsufficientStorage)
			return
		}
		defer os.Remove(spool.Name())
		defer spool.Close()
		size, err := io.Copy(spool, http.MaxBytesReader(w, r.Body, pushLimit))
		if err == nil {
			_, err = spool.Seek(0, io.SeekStart)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = spool, size, nil
		next.ServeHTTP(w, r)
	})
}
