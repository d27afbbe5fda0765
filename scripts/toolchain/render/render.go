package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
)

type renderer struct {
	charts *charts
	cache  *cache
}

func newRenderer(cacheFolder string) *renderer {
	return &renderer{charts: newCharts(), cache: newCache(cacheFolder)}
}

// release renders one release, or finds it in the cache. The SDK panics on some malformed charts; that is their error.
func (r *renderer) release(wanted Release, withObjects bool) (result Result) {
	defer func() {
		if problem := recover(); problem != nil {
			result = Result{Error: fmt.Sprintf("helm's renderer panicked: %v", problem)}
		}
	}()
	files, err := r.charts.files(wanted.Chart)
	if err != nil {
		return Result{Error: err.Error()}
	}
	values, err := layers(wanted)
	if err != nil {
		return Result{Error: err.Error()}
	}
	key := cacheKey(wanted, files.digest, values)
	result.Manifest, result.Cached = r.cache.get(key)
	if !result.Cached {
		if result.Manifest, err = render(wanted, files, values); err != nil {
			return Result{Error: err.Error()}
		}
		if !holdsSecret(result.Manifest) {
			r.cache.put(key, result.Manifest)
		}
	}
	if withObjects {
		if result.Objects, err = r.objects(result.Manifest); err != nil {
			return Result{Error: err.Error()}
		}
	}
	return result
}

// layer is one text of values, and what messages call it.
type layer struct {
	name string
	text []byte
}

func layers(wanted Release) ([]layer, error) {
	var found []layer
	for _, path := range wanted.ValuesFiles {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found = append(found, layer{path, text})
	}
	for _, text := range wanted.Values {
		found = append(found, layer{"the values of the request", []byte(text)})
	}
	return found, nil
}

func (r *renderer) manifest(text string) Result {
	found, err := r.objects(text)
	if err != nil {
		return Result{Error: err.Error()}
	}
	return Result{Objects: found}
}

// objects gives a manifest's objects, parsed once for all who ask: parsing costs about as much as rendering.
func (r *renderer) objects(manifest string) ([]Object, error) {
	digest := sha256.Sum256([]byte(programVersion() + "objects\n" + manifest))
	key := hex.EncodeToString(digest[:])
	var found []Object
	if text, ok := r.cache.get(key); ok && json.Unmarshal([]byte(text), &found) == nil {
		return found, nil
	}
	found, err := objects(manifest)
	if err != nil {
		return nil, err
	}
	if holdsSecret(manifest) {
		return found, nil
	}
	text, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	r.cache.put(key, string(text))
	return found, nil
}

var secretKind = regexp.MustCompile(`kind"?\s*:\s*["']?Secret\b`)

// holdsSecret says whether a manifest has a Secret object: what it holds must not stay in a file.
func holdsSecret(manifest string) bool { return secretKind.MatchString(manifest) }

// cacheKey names a render by everything that it is made of, except the folders that chart and values lie in: two
// checkouts share what is equal in both.
func cacheKey(wanted Release, chartDigest string, values []layer) string {
	asked := wanted
	asked.Chart = chartDigest
	asked.ValuesFiles, asked.Values = nil, nil
	for _, each := range values {
		digest := sha256.Sum256(each.text)
		asked.ValuesFiles = append(asked.ValuesFiles, hex.EncodeToString(digest[:]))
	}
	text, err := json.Marshal(asked)
	if err != nil {
		panic(err) // strings and lists of strings always encode
	}
	digest := sha256.Sum256(append([]byte(programVersion()), text...))
	return hex.EncodeToString(digest[:])
}

func render(wanted Release, files *chartFiles, values []layer) (string, error) {
	merged := map[string]any{}
	for _, each := range values {
		read, err := loader.LoadValues(bytes.NewReader(each.text))
		if err != nil {
			return "", fmt.Errorf("failed to parse %s: %w", each.name, err)
		}
		merged = loader.MergeMaps(merged, read)
	}
	// Rendering changes the chart (disabled dependencies leave it), so each release has its own.
	loaded, err := files.load()
	if err != nil {
		return "", err
	}
	if err := checkInstallable(loaded); err != nil {
		return "", err
	}

	install := action.NewInstall(action.NewConfiguration())
	install.DryRunStrategy = action.DryRunClient
	install.Replace = true // a name that is taken is no error: nothing is installed
	install.ReleaseName = wanted.Name
	install.Namespace = wanted.Namespace
	install.IncludeCRDs = wanted.IncludeCRDs
	install.SkipSchemaValidation = wanted.SkipSchemaValidation
	install.APIVersions = common.VersionSet(wanted.APIVersions)
	if wanted.KubeVersion != "" {
		if install.KubeVersion, err = common.ParseKubeVersion(wanted.KubeVersion); err != nil {
			return "", fmt.Errorf("invalid kube version '%s': %w", wanted.KubeVersion, err)
		}
	}
	releaser, err := install.RunWithContext(context.Background(), loaded, merged)
	if err != nil {
		return "", err
	}
	rendered, ok := releaser.(*release.Release)
	if !ok {
		return "", errors.New("helm gave a release of an unknown version")
	}
	return printed(rendered), nil
}

// checkInstallable refuses what `helm template` refuses before it renders: library charts, and dependencies that
// Chart.yaml names but charts/ lacks.
func checkInstallable(loaded *chartv2.Chart) error {
	if kind := loaded.Metadata.Type; kind != "" && kind != "application" {
		return fmt.Errorf("%s charts are not installable", kind)
	}
	accessor, err := chart.NewAccessor(loaded)
	if err != nil {
		return err
	}
	if needed := accessor.MetaDependencies(); len(needed) > 0 {
		return action.CheckDependencies(loaded, needed)
	}
	return nil
}

// printed writes a release as `helm template` does: the manifests, then every hook, tests included.
func printed(rendered *release.Release) string {
	var text strings.Builder
	fmt.Fprintln(&text, strings.TrimSpace(rendered.Manifest))
	for _, hook := range rendered.Hooks {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return text.String()
}
