package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// renderFormat goes up when this program's own code changes what it renders or how entries are written.
const renderFormat = 1

const (
	entryMagic   = "mldeploy-render"
	keptFor      = 30 * 24 * time.Hour
	pruneAfter   = 24 * time.Hour
	touchedAfter = time.Hour
)

// programVersion names everything in this program that a render depends on: its format, and the SDK with all that the
// SDK uses (template functions, YAML, the default Kubernetes version).
var programVersion = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Sprintf("%s %d", entryMagic, renderFormat)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %d %s\n", entryMagic, renderFormat, info.GoVersion)
	for _, module := range info.Deps {
		fmt.Fprintf(&text, "%s %s\n", module.Path, module.Version)
	}
	return text.String()
})

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == path {
				return module.Version
			}
		}
	}
	return ""
}

// cache holds texts by key, one file each: a header with the body's hash, then the body. Entries appear by an atomic
// rename, so processes may share the folder. A cache that cannot be written costs time only, so its errors are dropped.
type cache struct{ folder string }

func newCache(folder string) *cache { return &cache{folder: folder} }

func (c *cache) path(key string) string { return filepath.Join(c.folder, key[:2], key[2:]) }

func header(body []byte) []byte {
	digest := sha256.Sum256(body)
	return fmt.Appendf(nil, "%s %d %s\n", entryMagic, renderFormat, hex.EncodeToString(digest[:]))
}

// get gives the text, unless it is absent, damaged or of another format.
func (c *cache) get(key string) (string, bool) {
	if c.folder == "" {
		return "", false
	}
	path := c.path(key)
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	_, body, found := bytes.Cut(data, []byte("\n"))
	if !found || !bytes.Equal(data[:len(data)-len(body)], header(body)) {
		return "", false
	}
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > touchedAfter {
		_ = os.Chtimes(path, time.Time{}, time.Now()) // so that prune keeps what is used
	}
	return string(body), true
}

func (c *cache) put(key, text string) {
	if c.folder == "" {
		return
	}
	path := c.path(key)
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	// Manifests may hold Secret data: temporary files are made for their owner only, and stay so.
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return
	}
	body := []byte(text)
	_, err = temporary.Write(append(header(body), body...))
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
}

// prune removes, once a day at most, what nobody has used for a month, files of killed processes among it.
func (c *cache) prune() {
	if c.folder == "" {
		return
	}
	stamp := filepath.Join(c.folder, "pruned")
	if info, err := os.Stat(stamp); err == nil && time.Since(info.ModTime()) < pruneAfter {
		return
	}
	if os.MkdirAll(c.folder, 0o700) != nil || os.WriteFile(stamp, nil, 0o600) != nil {
		return
	}
	entries, err := filepath.Glob(filepath.Join(c.folder, "*", "*"))
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := os.Stat(entry); err == nil && time.Since(info.ModTime()) > keptFor {
			_ = os.Remove(entry)
		}
	}
}
