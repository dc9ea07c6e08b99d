package main

const bootstrapTokenPrefix = "bootstrap-token-"

func tokenMain(args []string) error    { return nil }
func snapshotMain(args []string) error { return nil }
func (s *server) reset() error         { return nil }
