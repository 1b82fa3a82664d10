package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/store"
)

// Sizes of an embedded server. It has one member and one client, so it needs
// neither long logs for followers nor a long history for watchers.
const (
	embeddedMaxTxnOps    = 100_000
	embeddedMaxRequest   = 10 << 20
	embeddedQuota        = int64(8 << 30)
	embeddedSnapshot     = 2_000 // transactions kept in memory and in the log
	embeddedCatchUp      = 100
	embeddedDefragMiB    = 100 // free space at start that is worth a rewrite
	embeddedCompact      = time.Minute
	embeddedStartTimeout = 30 * time.Second
	// embeddedSlow is worth a warning; a full load reads pages for a while.
	embeddedSlow = time.Second
)

// Embedded says where an embedded server keeps its data.
type Embedded struct {
	// Dir is made when it does not exist. One program at a time may use it.
	Dir string
	// Root is the prefix of all keys; "" is DefaultRoot.
	Root string
	// Quota is how many bytes the data may take on disk; 0 is 8 GiB. A store that
	// is full takes no writes until it is opened with room for more.
	Quota int64
	Log   *zap.Logger
	// Compacted, if set, is told when a round began that made etcd forget old
	// revisions, and how it ended.
	Compacted func(began time.Time, err error)
}

// OpenEmbedded starts an etcd inside this program. It listens on no socket.
// While its disk has less than 128 MiB left, writes fail with store.ErrFull, and
// reads go on. It fails when another program uses the directory, and when the
// server is not ready within 30 s.
func OpenEmbedded(ctx context.Context, cfg Embedded) (*Store, error) {
	name := "embedded etcd in " + cfg.Dir
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	disk := openDisk(cfg.Dir, cfg.Log)
	quiet := newQuiet(cfg.Log)
	quota := cmp.Or(cfg.Quota, embeddedQuota)
	server, err := startEmbedded(ctx, embeddedConfig(cfg.Dir, quota, quiet), quiet)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", name, err), lock.Close())
	}
	client := v3client.New(server.Server)
	relieve(ctx, client, disk.allows() == nil && server.Server.Backend().Size() < quota/10*9, cfg.Log)
	return newStore(client, settings{
		root:         cfg.Root,
		name:         name,
		log:          cfg.Log,
		disk:         disk,
		compactEvery: embeddedCompact,
		compacted:    cfg.Compacted,
		shutdown: func() error {
			quiet.mute()
			// The client has no connection; only its watches are closed here.
			if err := client.Close(); err != nil && !errors.Is(err, context.Canceled) {
				cfg.Log.Debug("close the embedded client", zap.Error(err))
			}
			server.Close()
			return lock.Close()
		},
	}), nil
}

// relieve lets a server that was full take writes again when it has room: its
// alarm outlives restarts, and nobody else can reach it to switch that off.
func relieve(ctx context.Context, client *clientv3.Client, room bool, log *zap.Logger) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	list, err := client.AlarmList(ctx)
	if err == nil && len(list.Alarms) > 0 && room {
		if _, err = client.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err == nil {
			log.Info("the store was full and has room again")
			return
		}
	}
	if err != nil || len(list.Alarms) > 0 {
		log.Error("the store is full: nothing can be written", zap.Error(err))
	}
}

func embeddedConfig(dir string, quota int64, quiet *quiet) *embed.Config {
	c := embed.NewConfig()
	c.Name = "lepton"
	c.Dir = filepath.Join(dir, "etcd")
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.ListenPeerUrls, c.ListenClientUrls = nil, nil
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(quiet.logger())
	c.MaxTxnOps = embeddedMaxTxnOps
	c.MaxRequestBytes = embeddedMaxRequest
	c.QuotaBackendBytes = quota
	c.SnapshotCount = embeddedSnapshot
	c.SnapshotCatchUpEntries = embeddedCatchUp
	c.WarningApplyDuration, c.WarningUnaryRequestDuration = embeddedSlow, embeddedSlow
	c.MaxSnapFiles, c.MaxWalFiles = 1, 1
	c.BootstrapDefragThresholdMegabytes = embeddedDefragMiB
	return c
}

func startEmbedded(ctx context.Context, c *embed.Config, quiet *quiet) (*embed.Etcd, error) {
	server, err := embed.StartEtcd(c)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(embeddedStartTimeout)
	defer timer.Stop()
	var cause error
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case <-server.Server.StopNotify():
		cause = errors.New("the server stopped")
	case err := <-server.Err():
		cause = err
	case <-timer.C:
		cause = fmt.Errorf("not ready within %s", embeddedStartTimeout)
	case <-ctx.Done():
		cause = ctx.Err()
	}
	quiet.mute()
	server.Close()
	return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, cause)
}

// lockDir makes the directory and takes it for this program; closing the file
// gives it back. etcd itself would wait for another program without a word.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another program uses the directory")
		}
		return nil, fmt.Errorf("lock directory: %w", err)
	}
	return f, nil
}
