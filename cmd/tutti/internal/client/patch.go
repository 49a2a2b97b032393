package client

// Merge applies a JSON merge patch (RFC 7396) to a decoded JSON value and returns the result; target may be changed.
func Merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for key, value := range changes {
		if value == nil {
			delete(object, key)
		} else {
			object[key] = Merge(object[key], value)
		}
	}
	return object
}
