// Command kumoi is a cloud: control plane, host agent, and the tools to look at them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"kumoi/internal/app"
)

// cloudFlags are the settings of a cloud; every command that works on one takes them.
type cloudFlags struct {
	app.Config `group:"cloud"`
}

type commands struct {
	ConfigFile string `name:"config" type:"path" help:"YAML file whose keys are the names of the flags below (or KUMOI_CONFIG)."`

	Up      upCmd      `cmd:"" help:"Run control plane and host agent in one process."`
	Server  serverCmd  `cmd:"" help:"Run the control plane alone."`
	Agent   agentCmd   `cmd:"" help:"Run the host agent alone."`
	Down    downCmd    `cmd:"" help:"Stop kumoi, the guests of this host and what kumoi started."`
	Status  statusCmd  `cmd:"" help:"Show what runs, versions, counts and the health of each dependency."`
	Openrc  openrcCmd  `cmd:"" help:"Print the administrator's credentials for stock clients."`
	Doctor  doctorCmd  `cmd:"" help:"Check the machine; each failed check says what to do."`
	Demo    demoCmd    `cmd:"" help:"Walk the whole path: project, image, network, server, ssh through a floating IP."`
	Quotas  quotasCmd  `cmd:"" help:"List what a project may have unless somebody says otherwise."`
	Routes  routesCmd  `cmd:"" help:"List every REST operation that is served."`
	Explain explainCmd `cmd:"" help:"Tell in plain words why something is as it is."`
	Events  eventsCmd  `cmd:"" help:"Tell what changes in the cloud: each change of a resource, as it is committed."`
	Policy  policyCmd  `cmd:"" help:"List policy rules, or check and explain a decision."`
	Image   imageCmd   `cmd:"" help:"Prepare image files, or fetch official ones."`
	Admin   adminCmd   `cmd:"" help:"Operate a running cloud: sagas, hosts, keys, passwords."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOGC") == "" {
		// What lives is small, a few tens of MB. Collected at every doubling of
		// it, garbage would take a fifth of the processor under load.
		debug.SetGCPercent(200)
	}
	file, err := loadConfig(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "kumoi:", err)
		os.Exit(2)
	}
	var cli commands
	k, err := parser(ctx, &cli, file)
	if err != nil {
		panic(err) // the commands are declared wrongly
	}
	chosen, err := k.Parse(os.Args[1:])
	k.FatalIfErrorf(err)
	if err := chosen.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "kumoi:", err)
		os.Exit(1)
	}
}

// parser reads command lines.
func parser(ctx context.Context, cli *commands, file *fileConfig) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name("kumoi"),
		kong.Description("A cloud that speaks OpenStack's APIs, in one binary."),
		kong.ShortUsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(file),
		structured[app.IdentityProviders](),
		structured[app.LDAPDomains](),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.ExplicitGroups([]kong.Group{{Key: "cloud", Title: "Settings of the cloud (also KUMOI_… in the environment, and in the --config file):"}}),
	)
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("kumoi", app.Version)
	if info, ok := debug.ReadBuildInfo(); ok {
		fmt.Println(info.GoVersion)
	}
	return nil
}
