package spawn_test

import (
	"testing"

	"github.com/safespawn/spawn"
)

// TestFeatureNames wants each name to be in the set once, and no other to be had.
func TestFeatureNames(t *testing.T) {
	count := map[spawn.FeatureName]int{}
	features := spawn.Features()
	for _, f := range features {
		count[f.Name]++
		if f.Available != features.Has(f.Name) || f.Use == "" {
			t.Errorf("%+v", f)
		}
	}
	for _, name := range []spawn.FeatureName{
		spawn.FeatureEngine, spawn.FeatureClone3, spawn.FeatureCgroup, spawn.FeatureCloseRange, spawn.FeaturePidfd,
		spawn.FeaturePidfdInfo, spawn.FeatureWaitid, spawn.FeatureSharedMemory, spawn.FeatureExecSeen, spawn.FeatureLandlock,
		spawn.FeatureSeccomp, spawn.FeatureUserNamespaces, spawn.FeatureCgroupNamespaces, spawn.FeatureTimeNamespaces, spawn.FeatureTreeLimits,
		spawn.FeatureDieWithParent,
	} {
		if count[name] != 1 {
			t.Errorf("%s is there %d times", name, count[name])
		}
		delete(count, name)
	}
	if len(count) > 0 {
		t.Errorf("without constants: %v", count)
	}
	if features.Has("clone 3") {
		t.Error("has what there is not")
	}
}
