package apptest

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/app"
	"kumoi/internal/kernel/store/storetest"
)

const (
	childDir   = "KUMOI_APPTEST_DIR" // makes the test binary a cloud that hangs in the middle of a build
	childDB    = "KUMOI_APPTEST_DATABASE"
	childPort  = "KUMOI_APPTEST_LISTEN"
	childStall = "KUMOI_APPTEST_STALL" // the hypervisor's method that never returns
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child is a cloud in a process that is going to be killed.
func child(dir string) int {
	cfg := config(dir, os.Getenv(childPort))
	cfg.Database = os.Getenv(childDB)
	guests := fake.New()
	guests.Script(os.Getenv(childStall), fake.Script{Block: make(chan struct{})})
	cfg.Guests = guests
	_, err := app.Start(context.Background(), &cfg, app.Roles{Control: true, Host: true}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	select {}
}

// Killed in the middle of a build, with kill -9, the next process finishes it.
func TestKilledWhileBuilding(t *testing.T) {
	for _, method := range []string{"Define", "Start"} {
		t.Run(method+"/sqlite", func(t *testing.T) { killedWhileBuilding(t, method, "") })
		t.Run(method+"/postgres", func(t *testing.T) { killedWhileBuilding(t, method, storetest.PostgresDSN(t)) })
	}
}

func killedWhileBuilding(t *testing.T, method, database string) {
	c := Make(t)
	c.Config.Database = database
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+c.Config.DataDir, childDB+"="+database, childPort+"="+c.Config.Listen, childStall+"="+method)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	Until(t, "the doomed process to be ready", func() bool {
		select {
		case <-ended:
			t.Fatalf("it ended by itself: %s", log.String())
		default:
		}
		st, err := app.AskStatus(t.Context(), &c.Config)
		return err == nil && st.Ready
	})
	admin := c.Admin()
	user := c.NewUser(admin, "alice")
	need := Prepare(admin, user)
	id := user.NewServer("survivor", need)
	Until(t, "the guest to be made", func() bool {
		s := user.Server(id)
		if s.Status != "BUILD" {
			t.Fatalf("the server is %s", s.Status)
		}
		return s.TaskState == "spawning"
	})
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-ended

	start := time.Now()
	c.Start()
	s := user.WaitServer(id, "ACTIVE")
	t.Logf("%s: running %s after the restart", s.Name, time.Since(start).Round(time.Millisecond))
	if g := must[[]string](t)(guests(c)); len(g) != 1 || g[0] != id {
		t.Errorf("guests %v", g)
	}
	if u := usage(t, admin); u["VCPU"] != 1 {
		t.Errorf("%d CPUs are taken", u["VCPU"])
	}
	if err := servers.Delete(user.ctx, user.Compute, id).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	Until(t, "the server to be gone", func() bool {
		_, err := servers.Get(user.ctx, user.Compute, id).Extract()
		return Gone(err)
	})
}
