package node

// CrashForTest has Apply end with what step gives, called between its steps.
func (s *Survivor) CrashForTest(step func(name string) error) { s.crashForTest = step }
