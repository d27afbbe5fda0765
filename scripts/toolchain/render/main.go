// Render turns charts and values files into manifests with Helm's SDK, in one process, byte for byte what
// `helm template` prints. It reads one JSON request from stdin and writes one JSON answer to stdout; the types below
// are the protocol. A release that cannot be rendered carries its error in the answer; the others are rendered anyway.
//
// Exit code 0: the answer was written. 2: the request could not be read, said on stderr.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"

	"helm.sh/helm/v4/pkg/chart/common"
)

// Request asks for the manifests of some releases.
type Request struct {
	// Cache is the folder of rendered manifests that several processes may share; empty: none.
	Cache string `json:"cache"`
	// Objects asks for each release's objects as JSON, read as Kubernetes reads them, besides the manifest.
	Objects bool `json:"objects"`
	// Workers is how many releases are rendered at once; 0: one for each processor.
	Workers  int       `json:"workers"`
	Releases []Release `json:"releases"`
	// Manifests are texts that were rendered before, elsewhere: only their objects are wanted.
	Manifests []string `json:"manifests"`
}

// Release is what `helm template NAME CHART` is told.
type Release struct {
	Name        string   `json:"name"`
	Namespace   string   `json:"namespace"`
	Chart       string   `json:"chart"`
	ValuesFiles []string `json:"valuesFiles"`
	// Values are further layers above the files, as YAML texts.
	Values               []string `json:"values"`
	KubeVersion          string   `json:"kubeVersion"`
	APIVersions          []string `json:"apiVersions"`
	IncludeCRDs          bool     `json:"includeCRDs"`
	SkipSchemaValidation bool     `json:"skipSchemaValidation"`
}

// Result is a release's manifest, or why there is none.
type Result struct {
	Manifest string   `json:"manifest"`
	Objects  []Object `json:"objects,omitempty"`
	Error    string   `json:"error,omitempty"`
	Cached   bool     `json:"cached"`
}

// Object is one document of a manifest.
type Object struct {
	// Source is the template that it is from, as the manifest's comment says.
	Source string          `json:"source"`
	Object json.RawMessage `json:"object"`
}

// Answer holds one result for each release, then one for each manifest, in their order.
type Answer struct {
	Results []Result `json:"results"`
}

func main() {
	// The SDK logs to the default loggers; what a caller needs to know is in the answer.
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	// Rendering appends to this shared slice; without spare capacity each append copies, so workers cannot race.
	common.DefaultCapabilities.APIVersions = slices.Clip(common.DefaultCapabilities.APIVersions)
	// Templates may ask for Helm's version: it is the SDK's, as a helm binary of that release says.
	common.DefaultCapabilities.HelmVersion.Version = moduleVersion("helm.sh/helm/v4")

	var request Request
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		fmt.Fprintf(os.Stderr, "the request on stdin could not be read: %v\n", err)
		os.Exit(2)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer(request)); err != nil {
		fmt.Fprintf(os.Stderr, "the answer could not be written: %v\n", err)
		os.Exit(2)
	}
}

func answer(request Request) Answer {
	workers := request.Workers
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	renders := newRenderer(request.Cache)
	results := make([]Result, len(request.Releases)+len(request.Manifests))
	next := make(chan int)
	var group sync.WaitGroup
	for range min(workers, len(results)) {
		group.Go(func() {
			for i := range next {
				if i < len(request.Releases) {
					results[i] = renders.release(request.Releases[i], request.Objects)
				} else {
					results[i] = renders.manifest(request.Manifests[i-len(request.Releases)])
				}
			}
		})
	}
	for i := range results {
		next <- i
	}
	close(next)
	group.Wait()
	renders.cache.prune()
	return Answer{Results: results}
}
