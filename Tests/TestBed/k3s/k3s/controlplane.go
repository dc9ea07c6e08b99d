package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"k8s.io/client-go/kubernetes"
)

// loopbackAPI is the kube-apiserver's own port; everybody else comes in through the supervisor's.
const loopbackAPI = "https://127.0.0.1:6444"

// startControlPlane starts kube-apiserver, waits for its readyz, and starts the other two.
func (s *server) startControlPlane(ctx context.Context) error {
	if err := s.children.start("kube-apiserver", os.Stderr, s.apiserverArgs()...); err != nil {
		return err
	}
	var err error
	if s.admin, err = client(s.serverPath("cred", "supervisor.kubeconfig")); err != nil {
		return err
	}
	if err := awaitReady(ctx, s.admin); err != nil {
		return err
	}
	s.apiReady.Store(true)
	if err := s.children.start("kube-controller-manager", os.Stderr, s.controllerArgs()...); err != nil {
		return err
	}
	if s.flag("disable-scheduler") {
		return nil
	}
	return s.children.start("kube-scheduler", os.Stderr, s.schedulerArgs()...)
}

func awaitReady(ctx context.Context, c *kubernetes.Clientset) error {
	for ctx.Err() == nil {
		if body, err := c.Discovery().RESTClient().Get().AbsPath("/readyz").Timeout(5 * time.Second).DoRaw(ctx); err == nil && string(body) == "ok" {
			return nil
		}
		time.Sleep(150 * time.Millisecond)
	}
	return fmt.Errorf("stopped while waiting for kube-apiserver: %w", ctx.Err())
}

func (s *server) apiserverArgs() []string {
	t := s.tls
	return withArgs(s.options, "kube-apiserver-arg", "--advertise-address="+s.advertiseAddress, "--allow-privileged=true",
		"--anonymous-auth=false", "--api-audiences=https://kubernetes.default.svc."+s.clusterDomain+",k3s", "--authorization-mode=Node,RBAC",
		"--bind-address=127.0.0.1", "--secure-port=6444", "--insecure-port=0", "--cert-dir="+s.tls("temporary-certs"),
		"--client-ca-file="+t("client-ca.crt"), "--enable-admission-plugins=NodeRestriction", "--enable-bootstrap-token-auth=true", "--enable-priority-and-fairness=false",
		"--etcd-servers="+etcdLocal, "--etcd-cafile="+t("etcd/server-ca.crt"), "--etcd-certfile="+t("etcd/client.crt"),
		"--etcd-keyfile="+t("etcd/client.key"), "--kubelet-certificate-authority="+t("server-ca.crt"),
		"--kubelet-client-certificate="+t("client-kube-apiserver.crt"), "--kubelet-client-key="+t("client-kube-apiserver.key"),
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname", "--profiling=false",
		"--proxy-client-cert-file="+t("client-auth-proxy.crt"), "--proxy-client-key-file="+t("client-auth-proxy.key"),
		"--requestheader-allowed-names=system:auth-proxy", "--requestheader-client-ca-file="+t("request-header-ca.crt"),
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User", "--service-account-issuer=https://kubernetes.default.svc."+s.clusterDomain,
		"--service-account-key-file="+t("service.key"), "--service-account-signing-key-file="+t("service.key"),
		"--service-cluster-ip-range="+s.serviceCIDR, "--service-node-port-range="+s.str("service-node-port-range", "30000-32767"),
		"--storage-backend=etcd3", "--tls-cert-file="+t("serving-kube-apiserver.crt"),
		"--tls-private-key-file="+t("serving-kube-apiserver.key"), "--v=0")
}

func (s *server) controllerArgs() []string {
	t := s.tls
	return withArgs(s.options, "kube-controller-manager-arg", append(s.electionArgs(), "--address=127.0.0.1", "--port=0", "--secure-port=10257", "--bind-address=127.0.0.1",
		"--tls-cert-file="+t("kube-controller-manager.crt"), "--tls-private-key-file="+t("kube-controller-manager.key"),
		"--allocate-node-cidrs=true", "--cluster-cidr="+s.clusterCIDR, "--service-cluster-ip-range="+s.serviceCIDR,
		"--configure-cloud-routes=false", "--controllers=*,tokencleaner",
		"--cluster-signing-cert-file="+t("client-ca.crt"), "--cluster-signing-key-file="+t("client-ca.key"),
		"--kubeconfig="+s.serverPath("cred", "controller.kubeconfig"), "--profiling=false",
		"--root-ca-file="+t("server-ca.crt"), "--service-account-private-key-file="+t("service.key"), "--use-service-account-credentials=true")...)
}

func (s *server) schedulerArgs() []string {
	return withArgs(s.options, "kube-scheduler-arg", append(s.electionArgs(), "--address=127.0.0.1", "--port=0", "--secure-port=10259", "--bind-address=127.0.0.1",
		"--tls-cert-file="+s.tls("kube-scheduler.crt"), "--tls-private-key-file="+s.tls("kube-scheduler.key"),
		"--kubeconfig="+s.serverPath("cred", "scheduler.kubeconfig"), "--profiling=false")...)
}

// electionArgs let a controller go without its Lease for 25 s before it ends k3s (`leaderelection lost`), not for 10: a host that many
// machines share is that slow at times. They try every 5 s, not every 2: a sixth of an idle cluster's processor time.
func (s *server) electionArgs() []string {
	return []string{
		"--leader-elect=" + strconv.FormatBool(s.etcd), "--leader-elect-lease-duration=30s", "--leader-elect-renew-deadline=25s",
		"--leader-elect-retry-period=5s",
	}
}

// withArgs appends the user's name=value pairs, which win because they come last.
func withArgs(o options, flag string, args ...string) []string {
	for _, extra := range o.raw(flag) {
		args = append(args, "--"+extra)
	}
	return args
}
