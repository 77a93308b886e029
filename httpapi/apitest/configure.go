package apitest

import "keytree/raftlog/replica"

// Configure changes what m starts with the next time. It is for what tests
// need and members in one process do not differ in otherwise, such as clocks.
func (m *Member) Configure(change func(*replica.Config)) { change(&m.config) }
