// Package deploy is what Keytree is deployed with: an image, three members
// under docker compose and on Kubernetes, a service of systemd.
//
// Its tests read these files as those who use them do, build what the
// Dockerfile says, and run the very command lines as processes.
package deploy
