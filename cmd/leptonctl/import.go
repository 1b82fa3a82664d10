package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/neutron"
)

// importing are the flags of import.
type importing struct {
	from, to endpoint
	dry      bool
	last     time.Time // of progress
}

func newImport(s *settings) *cobra.Command {
	var i importing
	cmd := &cobra.Command{
		Use: "import", Short: "Take the objects of a running Neutron, with their ids",
		Long: `import reads the Networking API of a running Neutron and makes the same
objects in Lepton, at --api, with the same ids, addresses and times.

Neutron is found by the OS_ environment, as the openstack client does, by a
cloud of clouds.yaml (--from-cloud), or at a URL (--from). Lepton gets the same
token, unless --to-cloud or --token-file says otherwise. Both have to be an
administrator's.

What is in Lepton already stays as it is; where it differs, the report says so.
So an import that was interrupted is run again, and one that is repeated does
nothing. Nothing is written to Neutron.

Exit codes besides those of all commands: 7 the report names objects that are
not in Lepton as they were.`,
		Example: `  leptonctl import --from-cloud old --api http://ctl1:9696 --dry-run
  leptonctl import --from-cloud old --api http://ctl1:9696 -o json >report.json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := i.run(cmd.Context(), s, cmd.ErrOrStderr())
			if r != nil {
				if failed := s.printReport(cmd.OutOrStdout(), r); failed != nil {
					return failed
				}
			}
			if err == nil && !r.Complete() {
				return exitError(exitIncomplete)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&i.from.cloud, "from-cloud", "", "take from this cloud of clouds.yaml")
	f.StringVar(&i.from.url, "from", "", "take from the Networking API at this URL")
	f.StringVar(&i.from.tokenFile, "from-token-file", "", "`file` with a token for --from")
	f.StringVar(&i.to.cloud, "to-cloud", "", "give to this cloud of clouds.yaml, instead of --api")
	f.StringVar(&i.to.tokenFile, "token-file", "", "`file` with a token for --api")
	f.BoolVar(&i.dry, "dry-run", false, "show what would be done, and do nothing")
	addOutput(cmd, s)
	return cmd
}

// run reads both services and does what is to be done.
func (i *importing) run(ctx context.Context, s *settings, progress io.Writer) (*neutron.Report, error) {
	switch {
	case i.from.cloud != "" && i.from.url != "":
		return nil, usage(errors.New("--from-cloud and --from both say what to take from"))
	case i.to.cloud != "" && i.to.tokenFile != "":
		return nil, usage(errors.New("--to-cloud has its own token, and --token-file another one"))
	}
	source, provider, err := i.from.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach Neutron: %w", err)
	}
	var target *neutron.Cloud
	switch {
	case i.to.cloud != "":
		target, _, err = i.to.dial(ctx)
	case i.to.tokenFile != "":
		i.to.url = s.api
		target, _, err = i.to.dial(ctx)
	case s.lab != "":
		var l *lab.Lab
		if l, err = lab.Open(s.lab, s.dir); err == nil {
			target = networking(provider, l.API().URL)
		}
	default:
		target = networking(provider, s.api)
	}
	if err != nil {
		return nil, fmt.Errorf("reach Lepton: %w", err)
	}
	plan, err := i.plan(ctx, source, target, progress)
	if err != nil {
		return nil, err
	}
	if i.dry {
		return plan.Report(), nil
	}
	report, err := plan.Run(ctx, target, func(done, total int, step neutron.Step) { i.tell(progress, done, total, step) })
	if err != nil {
		err = advise(lab.ErrBusy, err, "mend that and run the command again: it goes on where it ended")
	}
	return report, err
}

func (i *importing) plan(ctx context.Context, source, target *neutron.Cloud, progress io.Writer) (*neutron.Plan, error) {
	if source.URL() == target.URL() {
		return nil, usage(fmt.Errorf("%s is both what is taken from and what is given to", source.URL()))
	}
	var both [2]neutron.Snapshot
	for n, c := range []*neutron.Cloud{source, target} {
		fmt.Fprintf(progress, "reading %s\n", c.URL())
		var err error
		if both[n], err = c.Read(ctx, func(string) {}); err != nil {
			return nil, fmt.Errorf("read %s: %w", c.URL(), err)
		}
	}
	if !both[1].Extensions[neutron.Importable] {
		return nil, advise(lab.ErrUsage, fmt.Errorf("%s does not have the extension %s", target.URL(), neutron.Importable), "--api has to be the URL of a lepton-controller")
	}
	return neutron.Compare(both[0], both[1]), nil
}

// tell shows how far the import is, once in a while.
func (i *importing) tell(w io.Writer, done, total int, step neutron.Step) {
	if time.Since(i.last) < time.Second && done < total {
		return
	}
	i.last = time.Now()
	fmt.Fprintf(w, "%d of %d: %s %s %s\n", done, total, step.Does, step.Kind, step.ID)
}

// printReport writes what came of an import.
func (s *settings) printReport(w io.Writer, r *neutron.Report) error {
	if s.forPrograms() {
		return s.print(w, r)
	}
	made := "MADE"
	if r.DryRun {
		made = "TO MAKE"
		for _, step := range r.Steps {
			countStep(r.Counts, step)
		}
	}
	rows := [][]string{{"KIND", "FOUND", "PRESENT", made, "LEFT OUT", "FAILED"}}
	for _, c := range r.Counts {
		rows = append(rows, []string{c.Kind, strconv.Itoa(c.Found), strconv.Itoa(c.Present), strconv.Itoa(c.Made), strconv.Itoa(c.LeftOut), strconv.Itoa(c.Failed)})
	}
	err := table(w, rows)
	if err == nil && len(r.Notes) > 0 {
		rows := [][]string{{"VERDICT", "KIND", "ID", "NAME", "ATTRIBUTE", "WHY"}}
		for _, n := range r.Notes {
			rows = append(rows, []string{string(n.Verdict), n.Kind, n.ID, n.Name, n.Attribute, n.Reason})
		}
		err = firstOf(blank(w), table(w, rows))
	}
	return err
}

// countStep counts what a step of a dry run would make.
func countStep(counts []*neutron.Count, step neutron.Step) {
	i := slices.IndexFunc(counts, func(c *neutron.Count) bool { return c.Kind == step.Kind })
	if i >= 0 && step.Counts() {
		counts[i].Made++
	}
}
