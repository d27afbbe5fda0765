// Hold keeps a namespace for one helmfile, so that nobody else changes it at the same time, and tells what an earlier one
// left unfinished. The lock is a Lease, which every tool of Kubernetes can show: kubectl get lease mldeploy.
//
// It reads one JSON request from stdin and writes one line of JSON to stdout; the types below are the protocol. Where the
// Lease became this helmfile's, it then goes on by itself, with its streams closed: it renews the Lease until helmfile and
// the helm processes that helmfile started have ended, and gives it back.
//
// Exit code 0: the answer was written. 2: the request could not be read, said on stderr.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Request says who wants to change what.
type Request struct {
	// Kubeconfig and Context: the cluster; empty: as kubectl finds them.
	Kubeconfig string `json:"kubeconfig"`
	Context    string `json:"context"`
	Namespace  string `json:"namespace"`
	// Create makes the namespace where there is none, as Helm would do a moment later.
	Create bool `json:"create"`
	// Release is the one of which an unfinished change is told.
	Release string `json:"release"`
	// Pid is the helmfile's.
	Pid int `json:"pid"`
	// Who and Command are what others are told: the person and the machine, and what is done.
	Who     string `json:"who"`
	Command string `json:"command"`
}

// Answer says who else has the namespace, or why it cannot be had; neither: it is this helmfile's.
type Answer struct {
	Holder *Holder `json:"holder,omitempty"`
	Error  string  `json:"error,omitempty"`
	// Unfinished is the release's last change, where that never ended.
	Unfinished *Unfinished `json:"unfinished,omitempty"`
}

// Holder is somebody else who has the namespace.
type Holder struct {
	Who     string    `json:"who"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
	// Ending: its helmfile has ended, its helm has not.
	Ending bool `json:"ending"`
}

// Unfinished is a release in a state that Helm leaves behind when it is killed, and then refuses to go on from.
type Unfinished struct {
	Status   string    `json:"status"`
	Revision int       `json:"revision"`
	Since    time.Time `json:"since"`
	// Good is the newest revision that ran; 0: there is none.
	Good int `json:"good"`
	// Dead: whoever made it held the namespace and has gone. Otherwise helm was called by hand, and may still run.
	Dead bool `json:"dead"`
}

const answerWithin = 2 * time.Minute

func main() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	var request Request
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		fmt.Fprintf(os.Stderr, "the request on stdin could not be read: %v\n", err)
		os.Exit(2)
	}
	lock, answer, err := hold(request)
	if err != nil {
		answer = Answer{Error: err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fmt.Fprintf(os.Stderr, "the answer could not be written: %v\n", err)
		os.Exit(2)
	}
	if lock != nil {
		closeStreams()
		lock.keep()
	}
}

// hold gives the lock that is to be kept, where this process took it, and the answer.
func hold(request Request) (*lock, Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	helmfile, err := follow(request.Pid)
	if err != nil {
		return nil, Answer{}, err
	}
	config, err := cluster(request)
	if err != nil {
		return nil, Answer{}, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, Answer{}, err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, Answer{}, err
	}
	lock := &lock{
		client: client, objects: objects, namespace: request.Namespace, release: request.Release,
		create:   request.Create,
		helmfile: helmfile, identity: helmfile.identity(request.Who), command: request.Command,
	}
	outcome, err := lock.take(ctx)
	if err != nil || outcome.holder != nil {
		return nil, Answer{Holder: outcome.holder}, err
	}
	answer := Answer{Unfinished: lock.releases[request.Release].unfinished(lock.dead)}
	if !outcome.taken {
		return nil, answer, nil
	}
	return lock, answer, nil
}

func cluster(request Request) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = request.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: request.Context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, err
	}
	config.Timeout = requestTimeout
	return config, nil
}

// closeStreams lets whoever reads this process's output go on, and keeps a closed pipe from ending it.
func closeStreams() {
	signal.Ignore(syscall.SIGPIPE)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	for _, stream := range []int{0, 1, 2} {
		_ = unix.Dup2(int(null.Fd()), stream)
	}
}
