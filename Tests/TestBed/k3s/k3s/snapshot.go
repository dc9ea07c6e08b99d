package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
)

// snapshotFlags are the flags of `k3s etcd-snapshot`; what it reads from config.yaml is the server's.
type snapshotFlags struct {
	config            *serverConfig
	name, dir, output string
	retention         int
}

// snapshotMain is `k3s etcd-snapshot save|ls|delete|prune`.
func snapshotMain(args []string) error {
	set := pflag.NewFlagSet("k3s etcd-snapshot", pflag.ContinueOnError)
	name := set.String("name", "", "")
	dir := set.String("etcd-snapshot-dir", "", "")
	set.StringVar(dir, "dir", "", "")
	output := set.StringP("output", "o", "table", "")
	retention := set.Int("snapshot-retention", 5, "")
	dataDir := set.StringP("data-dir", "d", "", "")
	if err := set.Parse(args); err != nil {
		return err
	}
	logrus.SetLevel(logrus.ErrorLevel) // the server has logged config.yaml's unknown keys already
	var more []string
	if *dataDir != "" {
		more = []string{"--data-dir=" + *dataDir}
	}
	o, err := parseOptions("server", onServer, more)
	if err != nil {
		return err
	}
	logrus.SetLevel(logrus.InfoLevel)
	config, err := newServerConfig(o)
	if err != nil {
		return err
	}
	f := snapshotFlags{config, *name, *dir, *output, *retention}
	if f.dir == "" {
		f.dir = o.str("etcd-snapshot-dir", config.serverPath("db", "snapshots"))
	}
	if !config.etcd {
		return errors.New("etcd datastore disabled")
	}
	command := set.Arg(0)
	switch command {
	case "", "save":
		return f.save()
	case "ls", "list", "l":
		return f.list()
	case "delete":
		return f.delete(set.Args()[1:])
	case "prune":
		return f.prune()
	}
	return fmt.Errorf("No help topic for '%s'", command)
}

// save writes etcd's own snapshot stream, which ends with its checksum.
func (f snapshotFlags) save() error {
	prefix := f.name
	if prefix == "" {
		prefix = "on-demand"
	}
	path := filepath.Join(f.dir, fmt.Sprintf("%s-%s-%d", prefix, f.config.nodeName, time.Now().Unix()))
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := f.config.etcdClient(etcdLocal)
	if err != nil {
		return fmt.Errorf("failed to reach etcd at %s: %w", etcdLocal, err)
	}
	defer c.Close()
	stream, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(path + ".part")
	if _, err := io.Copy(file, stream); err != nil {
		file.Close()
		return err
	}
	if err := file.Sync(); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	logrus.Infof("Snapshot %s saved.", filepath.Base(path))
	return nil
}

func (f snapshotFlags) files() ([]os.FileInfo, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var out []os.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(info.Name(), ".part") {
			out = append(out, info)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ModTime().Before(out[j].ModTime()) })
	return out, nil
}

// list prints the objects that newer k3s prints with -o json, or its table.
func (f snapshotFlags) list() error {
	files, err := f.files()
	if err != nil {
		return err
	}
	if f.output == "json" {
		items := []map[string]interface{}{}
		for _, info := range files {
			at := info.ModTime().UTC().Format(time.RFC3339)
			items = append(items, map[string]interface{}{
				"metadata": map[string]interface{}{"name": "local-" + info.Name(), "creationTimestamp": at},
				"spec":     map[string]string{"snapshotName": info.Name(), "nodeName": f.config.nodeName, "location": "file://" + filepath.Join(f.dir, info.Name())},
				"status":   map[string]interface{}{"size": fmt.Sprint(info.Size()), "creationTime": at, "readyToUse": true},
			})
		}
		return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{"metadata": map[string]string{}, "items": items})
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "Name\tLocation\tSize\tCreated")
	for _, info := range files {
		fmt.Fprintf(table, "%s\tfile://%s\t%d\t%s\n", info.Name(), filepath.Join(f.dir, info.Name()), info.Size(), info.ModTime().Format(time.RFC3339))
	}
	return table.Flush()
}

func (f snapshotFlags) delete(names []string) error {
	if len(names) == 0 {
		return errors.New("no snapshots given for removal")
	}
	for _, name := range names {
		if name != filepath.Base(name) {
			return fmt.Errorf("invalid snapshot name %q", name)
		}
		if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
			return err
		}
		logrus.Infof("Snapshot %s deleted.", name)
	}
	return nil
}

func (f snapshotFlags) prune() error {
	prefix := f.name
	if prefix == "" {
		prefix = "on-demand"
	}
	files, err := f.files()
	if err != nil {
		return err
	}
	var ours []string
	for _, info := range files {
		if strings.HasPrefix(info.Name(), prefix+"-"+f.config.nodeName+"-") {
			ours = append(ours, info.Name())
		}
	}
	if len(ours) <= f.retention {
		return nil
	}
	return f.delete(ours[:len(ours)-f.retention])
}
