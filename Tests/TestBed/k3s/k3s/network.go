package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// startNetwork keeps the pod network as flannel's host-gw backend would: a bridge per node, and a route to every other node's pods.
// It also keeps the list of servers up to date, from the same kind of watch.
func (a *agent) startNetwork(ctx context.Context) error {
	for _, setting := range []string{"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"} {
		if err := os.WriteFile("/proc/sys/"+setting, []byte("1"), 0o644); err != nil {
			logrus.Warnf("Failed to set sysctl %s: %v", setting, err)
		}
	}
	factory := informers.NewSharedInformerFactory(a.kube, 0)
	handler := func(change func(*v1.Node)) func(interface{}) {
		return func(object interface{}) {
			if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = gone.Obj
			}
			if node, ok := object.(*v1.Node); ok {
				change(node)
			}
		}
	}
	if a.cluster.FlannelBackend != "none" {
		set, unset := handler(a.nodeSeen), handler(a.nodeGone)
		factory.Core().V1().Nodes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: set, UpdateFunc: func(_, object interface{}) { set(object) }, DeleteFunc: unset})
		if err := a.masquerade(); err != nil {
			logrus.Errorf("Failed to set up pod network masquerading: %v", err)
		}
	}
	factory.Start(ctx.Done())
	if a.lb.file != "" {
		go a.followServers(ctx)
	}
	return nil
}

// nodeSeen writes this node's CNI configuration once its pod CIDR is known, or the route to another's.
func (a *agent) nodeSeen(node *v1.Node) {
	_, cidr, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return
	}
	if node.Name == a.nodeName {
		a.writeCNI(cidr.String())
		return
	}
	gateway := net.ParseIP(internalIP(node))
	if gateway == nil {
		return
	}
	if err := netlink.RouteReplace(&netlink.Route{Dst: cidr, Gw: gateway}); err != nil {
		logrus.Errorf("Failed to set the route to %s's pods %s via %s: %v", node.Name, cidr, gateway, err)
	}
}

func (a *agent) nodeGone(node *v1.Node) {
	if _, cidr, err := net.ParseCIDR(node.Spec.PodCIDR); err == nil && node.Name != a.nodeName {
		_ = netlink.RouteDel(&netlink.Route{Dst: cidr, Gw: net.ParseIP(internalIP(node))})
	}
}

func internalIP(node *v1.Node) string {
	for _, address := range node.Status.Addresses {
		if address.Type == v1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}

// writeCNI uses k3s' own file name, although a bridge and not flannel stands behind it.
func (a *agent) writeCNI(cidr string) {
	path := a.agentPath("etc", "cni", "net.d", "10-flannel.conflist")
	text := fmt.Sprintf(`{"cniVersion":"0.3.1","name":"cbr0","plugins":[
{"type":"bridge","bridge":"cni0","isDefaultGateway":true,"forceAddress":true,"hairpinMode":true,
 "ipam":{"type":"host-local","ranges":[[{"subnet":%q}]]}},
{"type":"portmap","capabilities":{"portMappings":true}}]}
`, cidr)
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return
	}
	if err := writeFile(path, []byte(text), 0o600); err != nil {
		logrus.Errorf("Failed to write the CNI configuration: %v", err)
	}
}

// masquerade lets pods reach what is outside the cluster, and each other where forwarding is refused otherwise, as flannel does.
func (a *agent) masquerade() error {
	pods := a.cluster.ClusterCIDR
	for _, rule := range [][]string{
		{"nat", "POSTROUTING", "-s", pods, "-d", pods, "-m", "comment", "--comment", "flanneld masq", "-j", "RETURN"},
		{"nat", "POSTROUTING", "-s", pods, "!", "-d", "224.0.0.0/4", "-m", "comment", "--comment", "flanneld masq", "-j", "MASQUERADE"},
		{"filter", "FORWARD", "-s", pods, "-m", "comment", "--comment", "flanneld forward", "-j", "ACCEPT"},
		{"filter", "FORWARD", "-d", pods, "-m", "comment", "--comment", "flanneld forward", "-j", "ACCEPT"},
	} {
		if exec.Command("iptables", append([]string{"-w", "-t", rule[0], "-C"}, rule[1:]...)...).Run() == nil {
			continue
		}
		if out, err := exec.Command("iptables", append([]string{"-w", "-t", rule[0], "-A"}, rule[1:]...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("iptables: %v: %s", err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// followServers keeps the load balancer's list as the endpoints of the service `kubernetes` say.
func (a *agent) followServers(ctx context.Context) {
	only := metav1.SingleObject(metav1.ObjectMeta{Name: "kubernetes"})
	for ; ctx.Err() == nil; time.Sleep(2 * time.Second) {
		addresses, err := apiServers(ctx, a.kube)
		if err != nil {
			logrus.Warnf("Failed to read the list of servers: %v", err)
			continue
		}
		a.lb.update(addresses)
		watch, err := a.kube.CoreV1().Endpoints(metav1.NamespaceDefault).Watch(ctx, only)
		if err != nil {
			continue
		}
		for event := range watch.ResultChan() {
			if endpoints, ok := event.Object.(*v1.Endpoints); ok {
				a.lb.update(endpointAddresses(endpoints))
			}
		}
	}
}

// apiServers lists rather than gets, because that is what kube-proxy's credentials allow.
func apiServers(ctx context.Context, c *kubernetes.Clientset) ([]string, error) {
	list, err := c.CoreV1().Endpoints(metav1.NamespaceDefault).List(ctx, metav1.SingleObject(metav1.ObjectMeta{Name: "kubernetes"}))
	if err != nil {
		return nil, err
	}
	out := []string{}
	for i := range list.Items {
		out = append(out, endpointAddresses(&list.Items[i])...)
	}
	return out, nil
}

func endpointAddresses(endpoints *v1.Endpoints) []string {
	out := []string{}
	for _, subset := range endpoints.Subsets {
		for _, port := range subset.Ports {
			for _, address := range subset.Addresses {
				out = append(out, net.JoinHostPort(address.IP, fmt.Sprint(port.Port)))
			}
		}
	}
	return out
}
