package bridge

// Refusals of definitions; package store uses them.

// RefuseUndefined is about a conference of which nothing is kept.
func RefuseUndefined(name string) *Refusal {
	return refuse(RuleUnknown, "there is no definition of %q", name)
}

// RefuseReadOnly is about a definition that stands in a file.
func RefuseReadOnly(name, file string) *Refusal {
	return refuse(RuleReadOnly, "%q is defined in %s and can only be changed there", name, file)
}

// RefuseStale is about a change of something that is no longer as the caller saw it.
func RefuseStale(name string, now uint64) *Refusal {
	return refuse(RuleStale, "%q was changed meanwhile; its revision is %d now", name, now)
}

// RefuseTaken is about a second definition of one name.
func RefuseTaken(name string) *Refusal {
	return refuse(RuleTaken, "there is a definition of %q already", name)
}

// RefuseStore is about a change that could not be written down, and so was not made.
func RefuseStore(err error) *Refusal {
	return refuse(RuleStore, "the change was not made, for it cannot be kept: %v", err)
}

// RefuseInvalid is about a value that cannot be.
func RefuseInvalid(format string, args ...any) *Refusal { return refuseInvalid(format, args...) }

// RefuseTooMany is about a limit of the bridge.
func RefuseTooMany(what string, limit int) *Refusal { return refuseLimit(what, limit) }

// RefuseUnscheduled is about an invitation to a conference that meets at no known time.
func RefuseUnscheduled(name string) *Refusal {
	return refuse(RuleUnknown, "%q has no schedule, so nobody can be invited", name)
}
