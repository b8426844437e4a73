package elsewhere // want "elsewhere_plan9.go imports os/exec and was not looked at"
