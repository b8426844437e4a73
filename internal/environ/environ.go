// Package environ knows which entries of an environment count.
package environ

import (
	"errors"
	"runtime"
	"slices"
	"strings"
)

// LastOfEach keeps the last entry for each key, in the order of what is kept.
// Entries with a NUL are left out and reported, unless the system allows them.
// Entries without a key are kept: other programs may know what they mean.
func LastOfEach(env []string) (kept []string, err error) {
	return lastOfEach(env, runtime.GOOS == "windows", runtime.GOOS == "plan9")
}

func lastOfEach(env []string, foldCase, nulOK bool) (kept []string, err error) {
	kept = make([]string, 0, len(env)+1)
	var seen keySet
	for _, entry := range slices.Backward(env) {
		if !nulOK && strings.IndexByte(entry, 0) >= 0 {
			err = errors.New("exec: environment variable contains NUL")
			continue
		}
		key, ok := keyOf(entry)
		if !ok {
			if entry != "" {
				kept = append(kept, entry)
			}
			continue
		}
		if foldCase {
			key = strings.ToLower(key)
		}
		if seen.add(key) {
			kept = append(kept, entry)
		}
	}
	slices.Reverse(kept)
	return kept, err
}

// Distinct reports whether no key comes twice. It allocates nothing for up to 128.
func Distinct(env []string) bool {
	var seen keySet
	for _, entry := range env {
		key, ok := keyOf(entry)
		if ok && runtime.GOOS == "windows" {
			key = strings.ToLower(key)
		}
		if ok && !seen.add(key) {
			return false
		}
	}
	return true
}

// keySet is a set of keys, which allocates nothing while it is small.
type keySet struct {
	few  [256]string // by hash, and in the next free place
	n    int
	many map[string]struct{} // once few is half full
}

// add adds a key and reports whether it was new. The empty key marks free places
// of few, so it is kept in many.
func (s *keySet) add(key string) bool {
	if key != "" {
		i := hash(key)
		for ; s.few[i] != ""; i++ {
			if s.few[i] == key {
				return false
			}
		}
		if s.n < len(s.few)/2 {
			s.few[i] = key
			s.n++
			return true
		}
	}
	if _, ok := s.many[key]; ok {
		return false
	}
	if s.many == nil {
		s.many = map[string]struct{}{}
	}
	s.many[key] = struct{}{}
	return true
}

// hash is FNV-1a, folded.
func hash(key string) uint8 {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16 ^ h>>24)
}

// keyOf is what an entry is for. Windows has keys that begin with "=", for the
// current directory of each drive; "=" alone has the empty key.
func keyOf(entry string) (string, bool) {
	i := strings.IndexByte(entry, '=')
	if i == 0 {
		i = strings.IndexByte(entry[1:], '=') + 1
	}
	if i < 0 {
		return "", false
	}
	return entry[:i], true
}
