package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	leaseclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/metadata"
)

const (
	leaseName = "mldeploy"
	// commandAnnotation is what the holder does. It is no part of its identity: helmfile has two names for destroy.
	commandAnnotation = "mldeploy/command"
	// endingAnnotation: the holder's helmfile has ended, its helm has not.
	endingAnnotation = "mldeploy/ending"
	// deadAnnotation lists the UIDs of the secrets of revisions whose maker has gone: every later holder is to know it too.
	deadAnnotation = "mldeploy/unfinished"

	// The measures of Kubernetes' own components (client-go, tools/leaderelection): a holder that has not renewed for
	// leaseDuration has gone, by the clock of whoever watches it.
	leaseDuration = 15 * time.Second
	renewPeriod   = 2 * time.Second

	requestTimeout = 10 * time.Second
	lookPeriod     = 200 * time.Millisecond
	helmPeriod     = 50 * time.Millisecond
)

// lock is a namespace's Lease, for one helmfile.
type lock struct {
	client    kubernetes.Interface
	objects   metadata.Interface
	namespace string
	release   string
	create    bool
	helmfile  *helmfile
	identity  string
	command   string
	// lease is the object as this process last wrote it.
	lease *coordination.Lease
	// releases are the newest revisions since nobody else could change them, and dead those whose maker has gone.
	releases map[string]*revision
	dead     map[string]bool
}

// outcome of an attempt: taken by this call, or kept by somebody else, or neither: an earlier call took it for the same
// helmfile, or there is no namespace and so nothing to hold.
type outcome struct {
	taken  bool
	holder *Holder
}

// take makes the Lease this helmfile's, unless somebody else has it and lives.
func (l *lock) take(ctx context.Context) (outcome, error) {
	others := &others{}
	for {
		lease, err := l.leases().Get(ctx, leaseName, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			lease = &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName, Namespace: l.namespace}}
		case err != nil:
			return outcome{}, err
		}
		if holderOf(lease) == l.identity {
			return outcome{}, l.look(ctx, lease)
		}
		if others.haveGone(lease) {
			err := l.write(ctx, lease)
			switch {
			case err == nil:
				return outcome{taken: true}, nil
			case apierrors.IsNotFound(err) && !l.create:
				return outcome{}, nil
			case apierrors.IsNotFound(err):
				err = l.makeNamespace(ctx)
			}
			if err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
				return outcome{}, err
			}
			continue // there is a namespace now, or somebody else was faster
		}
		if holder := others.refusal(); holder != nil {
			return outcome{holder: holder}, nil
		}
		select {
		case <-ctx.Done():
			return outcome{}, ctx.Err()
		case <-time.After(lookPeriod):
		}
	}
}

// write makes the Lease, as it was read, this helmfile's.
func (l *lock) write(ctx context.Context, read *coordination.Lease) error {
	if err := l.look(ctx, read); err != nil {
		return err
	}
	now, seconds, turns := metav1.NowMicro(), int32(leaseDuration/time.Second), int32(1)
	if read.Spec.LeaseTransitions != nil {
		turns += *read.Spec.LeaseTransitions
	}
	lease := read.DeepCopy()
	lease.Annotations = map[string]string{commandAnnotation: l.command}
	if len(l.dead) > 0 {
		lease.Annotations[deadAnnotation] = strings.Join(slices.Sorted(maps.Keys(l.dead)), " ")
	}
	lease.Spec = coordination.LeaseSpec{
		HolderIdentity: &l.identity, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now,
		LeaseTransitions: &turns,
	}
	var err error
	if read.ResourceVersion == "" {
		lease, err = l.leases().Create(ctx, lease, metav1.CreateOptions{})
	} else {
		lease, err = l.leases().Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err == nil {
		l.lease = lease
	}
	return err
}

// look reads the releases, and which of them nobody will finish: those that an earlier holder knew of, and those that
// were begun while the last one held the Lease.
func (l *lock) look(ctx context.Context, lease *coordination.Lease) error {
	isOurs := holderOf(lease) == l.identity
	selector := "owner=helm"
	if isOurs {
		selector += ",name=" + l.release // whoever took it has looked at the others
	}
	releases, err := l.lastRevisions(ctx, selector)
	if err != nil {
		return err
	}
	known := strings.Fields(lease.Annotations[deadAnnotation])
	l.releases, l.dead = releases, map[string]bool{}
	for _, last := range releases {
		byThatOne := !isOurs && wasHeld(lease, last.since)
		if last.isUnfinished() && (byThatOne || slices.Contains(known, last.uid)) {
			l.dead[last.uid] = true
		}
	}
	return nil
}

// keep renews the Lease until helmfile and its helm have ended, and gives it back; or until it is somebody else's.
func (l *lock) keep() {
	isOurs := true
	for isOurs && !l.helmfile.endsWithin(renewPeriod) {
		isOurs = l.update(func(*coordination.Lease) {})
	}
	var next time.Time
	for isOurs && l.helmfile.hasHelm() {
		if time.Now().After(next) {
			isOurs = l.update(func(lease *coordination.Lease) { lease.Annotations[endingAnnotation] = "true" })
			next = time.Now().Add(renewPeriod)
		}
		time.Sleep(helmPeriod)
	}
	if isOurs {
		l.update(func(lease *coordination.Lease) {
			delete(lease.Annotations, endingAnnotation)
			lease.Spec.HolderIdentity = nil
		})
	}
}

// update renews the Lease with a change, and tells whether it is still ours. What fails otherwise is tried again for as
// long as the Lease lasts: an API server that restarts must not cost it.
func (l *lock) update(change func(*coordination.Lease)) bool {
	for deadline := time.Now().Add(leaseDuration); time.Now().Before(deadline); time.Sleep(lookPeriod) {
		written, err := l.tryUpdate(change)
		switch {
		case err == nil:
			l.lease = written
			return true
		case apierrors.IsNotFound(err), written != nil && holderOf(written) != l.identity:
			return false
		case written != nil:
			l.lease = written
		}
	}
	return true
}

// tryUpdate gives the Lease as it was written; or, with an error, as somebody else had written it meanwhile.
func (l *lock) tryUpdate(change func(*coordination.Lease)) (*coordination.Lease, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	now, lease := metav1.NowMicro(), l.lease.DeepCopy()
	lease.Spec.RenewTime = &now
	if lease.Annotations == nil {
		lease.Annotations = map[string]string{}
	}
	change(lease)
	written, err := l.leases().Update(ctx, lease, metav1.UpdateOptions{})
	if err == nil {
		return written, nil
	}
	if apierrors.IsConflict(err) {
		if read, failed := l.leases().Get(ctx, leaseName, metav1.GetOptions{}); failed == nil {
			return read, err
		}
	}
	return nil, err
}

func (l *lock) leases() leaseclient.LeaseInterface {
	return l.client.CoordinationV1().Leases(l.namespace)
}

// makeNamespace makes it as Helm does (pkg/action/install.go), which leaves one that is there alone.
func (l *lock) makeNamespace(ctx context.Context) error {
	namespace := &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.namespace, Labels: map[string]string{"name": l.namespace}}}
	_, err := l.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func holderOf(lease *coordination.Lease) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
