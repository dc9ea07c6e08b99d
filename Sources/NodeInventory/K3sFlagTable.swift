extension K3sFlags {
    /// Every flag of `k3s server` and `k3s agent` that config.yaml may hold, from k3s' command line of v1.28 to v1.37 (docs.k3s.io/cli)
    /// and its release notes (docs.k3s.io/release-notes). A line is
    ///     NAME KIND ROLES [since RELEASE…] [until MINOR] [instead KEY[: VALUE]]
    /// KIND: bool, string, int, duration (`5m`), list (may be given several times), or the words it takes, `a|b`.
    /// ROLES: server, agent or both.
    /// since: the first release of each minor line that has the flag; lines between and after them have it whole. k3s brings new flags
    /// to older lines too; where the release is not told it is the earliest it can be, so that nothing is refused that works.
    /// until: the first minor version that has it no more. instead: what to write for it.
    static let table = """
        advertise-address string server
        advertise-port int server
        agent-token string server
        agent-token-file string server
        airgap-extra-registry list both
        alsologtostderr bool both
        apiserver-bind-address string server
        apiserver-port int server
        bind-address string both
        cluster-cidr list server
        cluster-dns list server
        cluster-domain string server
        cluster-init bool server
        cluster-reset bool server
        cluster-reset-restore-path string server
        cluster-secret string both
        config string both
        container-runtime-endpoint string both
        data-dir string both
        datastore-cafile string server
        datastore-certfile string server
        datastore-endpoint string server
        datastore-keyfile string server
        debug bool both
        default-local-storage-path string server
        default-runtime string both since 1.27.11 1.28.7 1.29.2
        disable list server
        disable-agent bool server
        disable-apiserver bool server
        disable-apiserver-lb bool agent since 1.28.0
        disable-cloud-controller bool server
        disable-controller-manager bool server
        disable-default-registry-endpoint bool both since 1.26.13 1.27.10 1.28.6 1.29.1
        disable-etcd bool server
        disable-helm-controller bool server
        disable-kube-proxy bool server
        disable-network-policy bool server
        disable-scheduler bool server
        disable-selinux bool both until 1.33 instead selinux: false
        docker bool both
        egress-selector-mode agent|cluster|pod|disabled server
        embedded-registry bool server since 1.26.13 1.27.10 1.28.6 1.29.1
        enable-pprof bool both
        etcd-arg list server
        etcd-disable-snapshots bool server
        etcd-expose-metrics bool server
        etcd-s3 bool server
        etcd-s3-access-key string server
        etcd-s3-bucket string server
        etcd-s3-bucket-lookup-type auto|dns|path server since 1.30.13 1.31.9 1.32.5 1.33.0
        etcd-s3-config-secret string server since 1.28.13 1.29.8 1.30.4 1.31.0
        etcd-s3-endpoint string server
        etcd-s3-endpoint-ca string server
        etcd-s3-folder string server
        etcd-s3-insecure bool server
        etcd-s3-proxy string server since 1.28.13 1.29.8 1.30.4 1.31.0
        etcd-s3-region string server
        etcd-s3-retention int server since 1.31.12 1.32.8 1.33.4 1.34.0
        etcd-s3-secret-key string server
        etcd-s3-session-token string server
        etcd-s3-skip-ssl-verify bool server
        etcd-s3-timeout duration server
        etcd-snapshot-compress bool server
        etcd-snapshot-dir string server
        etcd-snapshot-name string server
        etcd-snapshot-reconcile-interval duration server since 1.29.13 1.30.9 1.31.5 1.32.0
        etcd-snapshot-retention int server
        etcd-snapshot-schedule-cron string server
        flannel-backend none|vxlan|host-gw|wireguard-native server
        flannel-cni-conf string both
        flannel-conf string both
        flannel-external-ip bool server
        flannel-iface string both
        flannel-ipv6-masq bool server
        helm-controller-arg list server since 1.34.9 1.35.6 1.36.3
        helm-job-image string server
        https-listen-port int server
        image-credential-provider-bin-dir string both
        image-credential-provider-config string both
        image-service-endpoint string both since 1.26.10 1.27.7 1.28.3
        kine-tls bool server since 1.27.10 1.28.6 1.29.0
        kube-apiserver-arg list server
        kube-cloud-controller-arg list server instead kube-cloud-controller-manager-arg
        kube-cloud-controller-manager-arg list server
        kube-controller-arg list server instead kube-controller-manager-arg
        kube-controller-manager-arg list server
        kube-proxy-arg list both
        kube-scheduler-arg list server
        kubelet-arg list both
        lb-server-port int both
        log string both
        multi-cluster-cidr bool server until 1.29
        no-deploy list server until 1.28 instead disable
        no-flannel bool both until 1.33 instead flannel-backend: none
        node-external-dns list both since 1.29.12 1.30.8 1.31.4
        node-external-ip list both
        node-internal-dns list both since 1.29.12 1.30.8 1.31.4
        node-ip list both
        node-label list both
        node-name string both
        node-taint list both
        nonroot-devices bool both since 1.28.16 1.29.11 1.30.7 1.31.3
        pause-image string both
        prefer-bundled-bin bool both
        private-registry string both
        protect-kernel-defaults bool both
        resolv-conf string both
        rootless bool both
        secrets-encryption bool server
        secrets-encryption-provider aescbc|secretbox server since 1.30.12 1.31.8 1.32.4 1.33.0
        selinux bool both
        server string both
        service-cidr list server
        service-node-port-range string server
        servicelb-namespace string server
        snapshotter string both
        supervisor-metrics bool server since 1.27.14 1.28.10 1.29.5 1.30.0
        supervisor-port int server
        system-default-registry string server
        tls-san list server
        tls-san-security bool server since 1.25.15 1.26.10 1.27.7 1.28.3
        token string both
        token-file string both
        v int both
        vmodule string both
        vpn-auth string both
        vpn-auth-file string both
        with-node-id bool both
        write-kubeconfig string server
        write-kubeconfig-group string server since 1.27.14 1.28.10 1.29.5 1.30.1
        write-kubeconfig-mode string server
        write-kubeconfig-name string server since 1.34.10 1.35.7 1.36.4 1.37.0
        """

    /// The newest minor version that the table was made for; of what is newer it only warns.
    static let newestMinor = 37
    static let oldestMinor = 28

    /// The components that k3s carries and `disable` takes out (docs.k3s.io/installation/packaged-components).
    static let components = ["coredns", "local-storage", "metrics-server", "runtimes", "servicelb", "traefik"]
}
