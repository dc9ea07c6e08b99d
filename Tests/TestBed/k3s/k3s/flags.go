package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// role tells which command knows a flag.
type role int

const (
	onServer role = 1 << iota
	onAgent
	onBoth = onServer | onAgent
)

// flagSpec is one flag of k3s: also a key of config.yaml.
type flagSpec struct {
	name  string
	kind  string // "string", "bool", "list" or "int"
	roles role
	env   string
}

// flagSpecs are k3s' flags; README.md lists those that are accepted without effect.
var flagSpecs = []flagSpec{
	{"token", "string", onBoth, "K3S_TOKEN"}, {"token-file", "string", onBoth, "K3S_TOKEN_FILE"},
	{"agent-token", "string", onServer, "K3S_AGENT_TOKEN"}, {"agent-token-file", "string", onServer, "K3S_AGENT_TOKEN_FILE"},
	{"server", "string", onBoth, "K3S_URL"}, {"cluster-init", "bool", onServer, "K3S_CLUSTER_INIT"},
	{"cluster-reset", "bool", onServer, "K3S_CLUSTER_RESET"}, {"cluster-reset-restore-path", "string", onServer, ""},
	{"node-name", "string", onBoth, "K3S_NODE_NAME"}, {"with-node-id", "bool", onBoth, ""},
	{"node-ip", "list", onBoth, ""}, {"node-external-ip", "list", onBoth, ""},
	{"bind-address", "string", onBoth, ""}, {"advertise-address", "string", onServer, ""}, {"advertise-port", "int", onServer, ""},
	{"https-listen-port", "int", onServer, ""}, {"lb-server-port", "int", onBoth, "K3S_LB_SERVER_PORT"},
	{"tls-san", "list", onServer, ""}, {"tls-san-security", "bool", onServer, ""},
	{"cluster-cidr", "list", onServer, ""}, {"service-cidr", "list", onServer, ""}, {"service-node-port-range", "string", onServer, ""},
	{"cluster-dns", "list", onServer, ""}, {"cluster-domain", "string", onServer, ""},
	{"node-label", "list", onBoth, ""}, {"node-taint", "list", onBoth, ""},
	{"disable", "list", onServer, ""}, {"disable-kube-proxy", "bool", onServer, ""}, {"disable-network-policy", "bool", onServer, ""},
	{"disable-helm-controller", "bool", onServer, ""}, {"disable-cloud-controller", "bool", onServer, ""},
	{"disable-agent", "bool", onServer, ""}, {"disable-scheduler", "bool", onServer, ""},
	{"write-kubeconfig", "string", onServer, "K3S_KUBECONFIG_OUTPUT"}, {"write-kubeconfig-mode", "string", onServer, "K3S_KUBECONFIG_MODE"},
	{"write-kubeconfig-group", "string", onServer, "K3S_KUBECONFIG_GROUP"},
	{"kubelet-arg", "list", onBoth, ""}, {"kube-proxy-arg", "list", onBoth, ""}, {"kube-apiserver-arg", "list", onServer, ""},
	{"kube-controller-manager-arg", "list", onServer, ""}, {"kube-scheduler-arg", "list", onServer, ""}, {"etcd-arg", "list", onServer, ""},
	{"kube-cloud-controller-manager-arg", "list", onServer, ""},
	{"data-dir", "string", onBoth, ""}, {"config", "string", onBoth, "K3S_CONFIG_FILE"}, {"debug", "bool", onBoth, ""},
	{"flannel-backend", "string", onServer, ""}, {"flannel-iface", "string", onBoth, ""}, {"flannel-conf", "string", onBoth, ""},
	{"flannel-cni-conf", "string", onBoth, ""}, {"flannel-external-ip", "bool", onServer, ""}, {"flannel-ipv6-masq", "bool", onServer, ""},
	{"egress-selector-mode", "string", onServer, ""}, {"servicelb-namespace", "string", onServer, ""},
	{"default-local-storage-path", "string", onServer, ""}, {"secrets-encryption", "bool", onServer, ""},
	{"secrets-encryption-provider", "string", onServer, ""}, {"datastore-endpoint", "string", onServer, "K3S_DATASTORE_ENDPOINT"},
	{"etcd-expose-metrics", "bool", onServer, ""}, {"etcd-disable-snapshots", "bool", onServer, ""},
	{"etcd-snapshot-name", "string", onServer, ""}, {"etcd-snapshot-schedule-cron", "string", onServer, ""},
	{"etcd-snapshot-retention", "int", onServer, ""}, {"etcd-snapshot-dir", "string", onServer, ""},
	{"etcd-snapshot-compress", "bool", onServer, ""}, {"etcd-s3", "bool", onServer, ""}, {"etcd-s3-bucket", "string", onServer, ""},
	{"etcd-s3-endpoint", "string", onServer, ""}, {"etcd-s3-folder", "string", onServer, ""}, {"etcd-s3-region", "string", onServer, ""},
	{"etcd-s3-config-secret", "string", onServer, ""}, {"supervisor-metrics", "bool", onServer, ""},
	{"embedded-registry", "bool", onServer, ""}, {"system-default-registry", "string", onServer, ""},
	{"private-registry", "string", onBoth, ""}, {"disable-default-registry-endpoint", "bool", onBoth, ""},
	{"pause-image", "string", onBoth, ""}, {"snapshotter", "string", onBoth, ""}, {"container-runtime-endpoint", "string", onBoth, ""},
	{"resolv-conf", "string", onBoth, "K3S_RESOLV_CONF"}, {"protect-kernel-defaults", "bool", onBoth, ""}, {"selinux", "bool", onBoth, "K3S_SELINUX"},
	{"prefer-bundled-bin", "bool", onBoth, ""}, {"rootless", "bool", onBoth, ""}, {"vpn-auth", "string", onBoth, ""},
	{"vpn-auth-file", "string", onBoth, ""}, {"image-credential-provider-bin-dir", "string", onBoth, ""},
	{"image-credential-provider-config", "string", onBoth, ""}, {"disable-apiserver-lb", "bool", onAgent, ""},
	{"enable-pprof", "bool", onServer, ""}, {"log", "string", onBoth, ""}, {"alsologtostderr", "bool", onBoth, ""}, {"v", "int", onBoth, ""},
}

var shorthand = map[string]string{"token": "t", "server": "s", "data-dir": "d", "config": "c", "log": "l"}

// flagSet is the set of one command.
func flagSet(command string, of role) *pflag.FlagSet {
	set := pflag.NewFlagSet("k3s "+command, pflag.ContinueOnError)
	for _, f := range flagSpecs {
		if f.roles&of == 0 {
			continue
		}
		switch f.kind {
		case "bool":
			set.BoolP(f.name, shorthand[f.name], false, "")
		case "int":
			set.IntP(f.name, shorthand[f.name], 0, "")
		case "list":
			set.StringArrayP(f.name, shorthand[f.name], nil, "")
		default:
			set.StringP(f.name, shorthand[f.name], "", "")
		}
	}
	return set
}

// options are the parsed flags of a command, with the values of config.yaml before those of the command line.
type options struct{ set *pflag.FlagSet }

func parseOptions(command string, of role, args []string) (options, error) {
	set := flagSet(command, of)
	early := flagSet(command, of)
	if err := early.Parse(args); err != nil {
		return options{}, err
	}
	path, _ := early.GetString("config")
	if path == "" {
		path = os.Getenv("K3S_CONFIG_FILE")
	}
	fromFile, err := configArguments(path, set)
	if err != nil {
		return options{}, err
	}
	for _, f := range flagSpecs {
		if value := os.Getenv(f.env); f.env != "" && value != "" && f.roles&of != 0 {
			if err := set.Set(f.name, value); err != nil {
				return options{}, err
			}
		}
	}
	return options{set}, set.Parse(append(fromFile, args...))
}

func (o options) str(name, otherwise string) string {
	if v, err := o.set.GetString(name); err == nil && v != "" {
		return v
	}
	return otherwise
}

func (o options) flag(name string) bool {
	v, _ := o.set.GetBool(name)
	return v
}

func (o options) number(name string, otherwise int) int {
	if v, err := o.set.GetInt(name); err == nil && v != 0 {
		return v
	}
	return otherwise
}

// list also splits at commas, as k3s does for its lists of plain words.
func (o options) list(name string) []string {
	var out []string
	for _, v := range o.raw(name) {
		for _, part := range strings.Split(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

func (o options) raw(name string) []string {
	v, _ := o.set.GetStringArray(name)
	return v
}

// check refuses the values that k3s refuses at start.
func (o options) check() error {
	for _, name := range []string{"node-ip", "node-external-ip"} {
		for _, v := range o.list(name) {
			if net.ParseIP(v) == nil {
				return fmt.Errorf("invalid %s: %q is no IP address", name, v)
			}
		}
	}
	for _, name := range []string{"cluster-cidr", "service-cidr"} {
		for _, v := range o.list(name) {
			if _, _, err := net.ParseCIDR(v); err != nil {
				return fmt.Errorf("invalid %s %q: %w", name, v, err)
			}
		}
	}
	for _, v := range o.list("cluster-dns") {
		if net.ParseIP(v) == nil {
			return fmt.Errorf("invalid cluster-dns address %s", v)
		}
	}
	if v := o.str("advertise-address", ""); v != "" && net.ParseIP(v) == nil {
		return fmt.Errorf("invalid advertise-address: %q is no IP address", v)
	}
	if v := o.str("server", ""); v != "" && !strings.HasPrefix(v, "https://") {
		return fmt.Errorf("failed to validate server URL %q: only https:// URLs are supported for --server", v)
	}
	if v := o.str("write-kubeconfig-mode", "0600"); v != "" {
		if _, err := strconv.ParseInt(v, 8, 0); err != nil {
			return fmt.Errorf("invalid write-kubeconfig-mode %q: %w", v, err)
		}
	}
	switch v := o.str("flannel-backend", "vxlan"); v {
	case "none", "vxlan", "host-gw", "wireguard-native", "wireguard", "ipsec", "tailscale":
	default:
		return fmt.Errorf("cannot configure flannel: unknown backend '%s'", v)
	}
	return nil
}
