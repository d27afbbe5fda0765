// Dialect answers what Helm's own values reader makes of a text, for the differential tests and for nothing else.
//
// Each line on stdin is a JSON array of base64 texts; each line on stdout is the answer, in order.
// One text: what `helm template -f` reads from it. Several: chart defaults first, then each -f file, coalesced.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

type answer struct {
	Values   any      `json:"values"`
	Error    string   `json:"error,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

type warnings struct{ lines []string }

func (w *warnings) Write(line []byte) (int, error) {
	w.lines = append(w.lines, string(bytes.TrimSpace(line)))
	return len(line), nil
}

func read(texts [][]byte) (result any, warned []string, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	layers := make([]map[string]any, len(texts))
	for i, text := range texts {
		if layers[i], err = loader.LoadValues(bytes.NewReader(text)); err != nil {
			return nil, nil, err
		}
	}
	if len(layers) == 1 {
		return layers[0], nil, nil
	}
	overrides := map[string]any{}
	for _, layer := range layers[1:] {
		overrides = loader.MergeMaps(overrides, layer)
	}
	seen := &warnings{}
	log.SetOutput(seen)
	log.SetFlags(0)
	defaults := &chart.Chart{Metadata: &chart.Metadata{Name: "dialect"}, Values: layers[0]}
	merged, err := util.CoalesceValues(defaults, overrides)
	return merged, seen.lines, err
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var texts [][]byte
			if problem := json.Unmarshal(line, &texts); problem != nil {
				log.Fatal(problem)
			}
			values, warned, problem := read(texts)
			reply := answer{Values: values, Warnings: warned}
			if problem != nil {
				reply = answer{Error: problem.Error()}
			}
			if problem := encoder.Encode(reply); problem != nil {
				log.Fatal(problem)
			}
			out.Flush()
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}
