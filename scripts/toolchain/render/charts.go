package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sort"
	"sync"

	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	v2loader "helm.sh/helm/v4/pkg/chart/v2/loader"
)

// charts reads each chart folder or archive once, however many releases use it.
type charts struct {
	mutex sync.Mutex
	known map[string]func() (*chartFiles, error)
}

func newCharts() *charts {
	return &charts{known: map[string]func() (*chartFiles, error){}}
}

func (c *charts) files(path string) (*chartFiles, error) {
	c.mutex.Lock()
	read, ok := c.known[path]
	if !ok {
		read = sync.OnceValues(func() (*chartFiles, error) { return readChart(path) })
		c.known[path] = read
	}
	c.mutex.Unlock()
	return read()
}

// chartFiles is a chart's content as Helm's loader sees it: .helmignore applied, links followed.
type chartFiles struct {
	files  []*archive.BufferedFile
	digest string
}

func readChart(path string) (*chartFiles, error) {
	charter, err := loader.Load(path)
	if err != nil {
		return nil, err
	}
	loaded, ok := charter.(*chartv2.Chart)
	if !ok {
		return nil, fmt.Errorf("%s: only charts of apiVersion v1 and v2 are rendered", path)
	}
	read := &chartFiles{}
	for _, file := range loaded.Raw {
		read.files = append(read.files, &archive.BufferedFile{Name: file.Name, ModTime: file.ModTime, Data: file.Data})
	}
	read.digest = digest(read.files)
	return read, nil
}

// load makes a chart that its caller may change. The loader renames the files it is given, hence the copies.
func (f *chartFiles) load() (*chartv2.Chart, error) {
	copies := make([]*archive.BufferedFile, len(f.files))
	for i, file := range f.files {
		mine := *file
		copies[i] = &mine
	}
	return v2loader.LoadFiles(copies)
}

func digest(files []*archive.BufferedFile) string {
	sorted := append([]*archive.BufferedFile(nil), files...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Name < sorted[j].Name })
	sum := sha256.New()
	part := func(data []byte) {
		// Lengths keep ("ab", "c") and ("a", "bc") apart.
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(data)))
		sum.Write(length[:])
		sum.Write(data)
	}
	for _, file := range sorted {
		part([]byte(file.Name))
		part(file.Data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
