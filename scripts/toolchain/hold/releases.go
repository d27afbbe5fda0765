package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// revision is a release's newest one, as the labels of Helm's secret tell it.
type revision struct {
	secret string
	// uid is the secret's: a release that is installed anew has secrets of the same names.
	uid    string
	number int
	status string
	since  time.Time
	// good is the newest older revision that ran.
	good int
}

// lastRevisions gives the newest revision of each release whose secrets a selector finds, by the release's name.
func (l *lock) lastRevisions(ctx context.Context, selector string) (map[string]*revision, error) {
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	options := metav1.ListOptions{LabelSelector: selector}
	list, err := l.objects.Resource(secrets).Namespace(l.namespace).List(ctx, options)
	if err != nil {
		return nil, err
	}
	newest := map[string]*revision{}
	ran := map[string]map[string]int{}
	for i := range list.Items {
		labels := list.Items[i].Labels
		number, err := strconv.Atoi(labels["version"])
		if err != nil {
			continue // not one of Helm's
		}
		name, status := labels["name"], labels["status"]
		if ran[name] == nil {
			ran[name] = map[string]int{}
		}
		ran[name][status] = max(ran[name][status], number)
		if newest[name] == nil || newest[name].number < number {
			newest[name] = &revision{
				secret: list.Items[i].Name, uid: string(list.Items[i].UID), number: number, status: status, since: written(labels),
			}
		}
	}
	for name, last := range newest {
		// Helm calls a revision superseded only when a later one ran; the deployed one is the newest that did.
		last.good = ran[name]["deployed"]
		if last.good == 0 {
			last.good = ran[name]["superseded"]
		}
		if last.status == "uninstalling" {
			if last.since, err = l.beganUninstalling(ctx, last.secret); err != nil {
				return nil, err
			}
		}
	}
	return newest, nil
}

// written is when Helm wrote the secret. A revision inherits modifiedAt from the one before it.
func written(labels map[string]string) time.Time {
	last := time.Time{}
	for _, label := range []string{"createdAt", "modifiedAt"} {
		seconds, err := strconv.ParseInt(labels[label], 10, 64)
		if moment := time.Unix(seconds, 0).UTC(); err == nil && moment.After(last) {
			last = moment
		}
	}
	return last
}

// beganUninstalling is when Helm began to; for which it changes no label, so the release itself is read.
func (l *lock) beganUninstalling(ctx context.Context, secret string) (time.Time, error) {
	found, err := l.client.CoreV1().Secrets(l.namespace).Get(ctx, secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return time.Time{}, nil // it is done meanwhile
	}
	if err != nil {
		return time.Time{}, err
	}
	packed := base64.NewDecoder(base64.StdEncoding, bytes.NewReader(found.Data["release"]))
	text, err := gzip.NewReader(packed)
	if err != nil {
		return time.Time{}, fmt.Errorf("secret %s is no release of Helm's: %w", secret, err)
	}
	var release struct {
		Info struct {
			Deleted time.Time `json:"deleted"`
		} `json:"info"`
	}
	if err := json.NewDecoder(text).Decode(&release); err != nil {
		return time.Time{}, fmt.Errorf("secret %s is no release of Helm's: %w", secret, err)
	}
	return release.Info.Deleted.UTC(), nil
}

// isUnfinished tells whether Helm was in the middle of something with it, and would refuse to do anything else.
func (r *revision) isUnfinished() bool {
	switch r.status {
	case "pending-install", "pending-upgrade", "pending-rollback", "uninstalling":
		return true
	}
	return false
}

// unfinished tells what is to be repaired, if anything.
func (r *revision) unfinished(dead map[string]bool) *Unfinished {
	if r == nil || !r.isUnfinished() {
		return nil
	}
	return &Unfinished{Status: r.status, Revision: r.number, Since: r.since, Good: r.good, Dead: dead[r.uid]}
}
