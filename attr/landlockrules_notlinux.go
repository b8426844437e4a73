//go:build !linux || android

package attr

func newLandlock(LandlockRules) (*LandlockRuleset, error) {
	return nil, &UnsupportedError{What: "Landlock", Since: "5.13"}
}
