package netns

import "errors"

// This file: namespaces that may have one of several names, because agents of
// several hosts may share a machine, as in labs.

// Own gives the first of the names whose namespace is of this owner; "" when none
// is.
func Own(owner string, names ...string) (string, error) {
	var errs []error
	for _, name := range names {
		found, exists, err := Owner(name)
		if err == nil && exists && found == owner {
			return name, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// EnsureOwn makes a namespace under the first of the names that nobody else has,
// if the owner has none. One that it has stays, also when an earlier name has
// become free. The error is ErrForeign when others have all the names.
func EnsureOwn(owner string, names ...string) (name string, made bool, err error) {
	if name, err = Own(owner, names...); err == nil && name != "" {
		return name, false, nil
	}
	for _, name = range names {
		if made, err = Ensure(name, owner); !errors.Is(err, ErrForeign) {
			return name, made, err
		}
	}
	return "", false, err
}

// DeleteOwn removes the owner's namespaces of these names, and gives how many
// there were.
func DeleteOwn(owner string, names ...string) (n int, err error) {
	var errs []error
	for _, name := range names {
		found, exists, err := Owner(name)
		if err == nil && exists && found == owner {
			if err = Delete(name, owner); err == nil {
				n++
			}
		}
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}
