package main

import (
	"strings"
	"time"

	coordination "k8s.io/api/coordination/v1"
)

// patience is how long an interrupted helm is waited for: one that goes back to what ran before needs seconds.
const patience = 60 * time.Second

// others tells a holder that lives from one that has gone. Clocks of two machines are never compared: what counts is
// whether the Lease changes while it is watched.
type others struct {
	began time.Time
	// last is the Lease as it was read last, and changed when it was last seen to be another.
	last    *coordination.Lease
	changed time.Time
	// renewals by its present holder that were seen.
	renewals int
}

// livesAfter so many renewals: the first may have been on its way when the holder ended, the second was sent after that.
const livesAfter = 2

// haveGone tells whether the Lease, as just read, is free: given back, or not renewed for as long as it was to last.
func (o *others) haveGone(lease *coordination.Lease) bool {
	now := time.Now()
	if o.began.IsZero() {
		o.began = now
	}
	switch {
	case o.last == nil || holderOf(o.last) != holderOf(lease):
		o.renewals = 0
	case !o.last.Spec.RenewTime.Equal(lease.Spec.RenewTime):
		o.renewals++
	}
	if o.last == nil || o.last.ResourceVersion != lease.ResourceVersion {
		o.last, o.changed = lease, now
	}
	return holderOf(lease) == "" || now.Sub(o.changed) > lasts(lease)
}

// refusal names the holder of the Lease last given to haveGone, once it is clear that it lives, or that it does not end.
func (o *others) refusal() *Holder {
	_, ending := o.last.Annotations[endingAnnotation]
	if (ending && time.Since(o.began) > patience) || (!ending && o.renewals >= livesAfter) {
		who, _, _ := strings.Cut(holderOf(o.last), identityEnd)
		return &Holder{Who: who, Command: o.last.Annotations[commandAnnotation], Since: acquired(o.last), Ending: ending}
	}
	return nil
}

// wasHeld tells whether a moment lies in the time for which the Lease's last holder had it, by the clock of its machine,
// which set the moment too (to the second).
func wasHeld(lease *coordination.Lease, moment time.Time) bool {
	if lease.Spec.AcquireTime == nil || lease.Spec.RenewTime == nil {
		return false
	}
	begin, end := lease.Spec.AcquireTime.Add(-time.Second), lease.Spec.RenewTime.Add(time.Second)
	if holderOf(lease) != "" {
		end = end.Add(lasts(lease)) // it was never given back
	}
	return moment.After(begin) && moment.Before(end)
}

func acquired(lease *coordination.Lease) time.Time {
	if lease.Spec.AcquireTime == nil {
		return time.Time{}
	}
	return lease.Spec.AcquireTime.UTC()
}

func lasts(lease *coordination.Lease) time.Duration {
	if lease.Spec.LeaseDurationSeconds == nil {
		return leaseDuration
	}
	return time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
}
