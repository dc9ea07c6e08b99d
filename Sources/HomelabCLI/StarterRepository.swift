/// The files `homelab init` writes for a cluster.
struct StarterRepository {
    struct File {
        let path: String
        let text: String
    }

    let cluster: String

    var files: [File] {
        [
            File(path: "inventory/\(cluster).yaml", text: inventory),
            File(path: "bootstrap/README.md", text: Self.bootstrapReadme),
            File(path: "clusters/\(cluster)/hello/kustomization.yaml", text: Self.kustomization),
            File(path: "clusters/\(cluster)/hello/hello.yaml", text: Self.hello),
            File(path: "clusters/\(cluster)/hello/index.html", text: "Hello from \(cluster)\n"),
            File(path: ".gitignore", text: Self.gitignore),
        ]
    }

    private var inventory: String {
        """
        # The machines of the cluster "\(cluster)". `homelab validate` checks this file; `homelab schema` makes editors complete it.
        apiVersion: homelab.dev/v1alpha1
        kind: Cluster
        name: \(cluster)

        k3s:
          version: v1.36.4+k3s1
          # The sha256 of the release's binaries; without them the release's own list is believed.
          sha256:
            amd64: 835873f37245fc615f547a2fe2af9402a347875f13fa64a1f136de644955ea3f
            arm64: c920706346d5ad4e5cd3c7bf1bb09ce71ebe07fec829e513e40f1caf98aed8bb

        # How machines are reached that do not say so themselves. A user other than root needs sudo.
        defaults:
          user: root
          identityFile: ~/.ssh/id_ed25519

        # One server, or three (never two); any number of agents. A host key is what `ssh-keyscan -t ed25519 ADDRESS` prints behind
        # the address: compare it with the machine's own /etc/ssh/ssh_host_ed25519_key.pub, then nobody can step in between.
        nodes:
          - name: first
            role: server
            host: 192.0.2.11
        #    hostKeys: ssh-ed25519 AAAA...
        #    labels:
        #      disk: ssd
        #  - name: second
        #    role: agent
        #    host: 192.0.2.12

        """
    }

    private static let bootstrapReadme = """
        # What is put on a machine

        homelab brings what a machine needs: kernel modules, sysctl settings, k3s with its configuration and unit, and on the
        servers the homelab agent. `homelab plan` shows each file and why. What you want different is said in the inventory
        (`k3s.config`, `k3s.registries`, a node's `config`); this folder is where files of your own about the machines belong.

        """

    private static let kustomization = """
        apiVersion: kustomize.config.k8s.io/v1beta1
        kind: Kustomization
        namespace: hello
        resources:
          - hello.yaml
        configMapGenerator:
          - name: page
            files:
              - index.html

        """

    private static let hello = """
        apiVersion: v1
        kind: Namespace
        metadata:
          name: hello
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: hello
        spec:
          replicas: 1
          selector:
            matchLabels:
              app: hello
          template:
            metadata:
              labels:
                app: hello
            spec:
              containers:
                - name: web
                  image: docker.io/library/busybox:1.36
                  command: [httpd, -f, -p, "8080", -h, /www]
                  ports:
                    - containerPort: 8080
                  readinessProbe:
                    tcpSocket:
                      port: 8080
                    periodSeconds: 2
                  volumeMounts:
                    - name: page
                      mountPath: /www
              volumes:
                - name: page
                  configMap:
                    name: page
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: hello
        spec:
          selector:
            app: hello
          ports:
            - port: 80
              targetPort: 8080

        """

    private static let gitignore = """
        # Secrets stay out of git: the inventory refers to them by file or environment variable.
        *.key
        *.pem
        id_*
        kubeconfig
        *.kubeconfig
        .env

        """
}
