import BootstrapAssets

/// The files `homelab init` writes for a cluster.
struct StarterRepository {
    struct File {
        let path: String
        let text: String
    }

    let cluster: String

    var files: [File] {
        [
            File(path: "inventory/\(cluster).yaml", text: BootstrapAssets.starterInventory(cluster: cluster)),
            File(path: "bootstrap/README.md", text: Self.bootstrapReadme),
            File(path: "clusters/\(cluster)/hello/kustomization.yaml", text: Self.kustomization),
            File(path: "clusters/\(cluster)/hello/hello.yaml", text: Self.hello),
            File(path: "clusters/\(cluster)/hello/index.html", text: "Hello from \(cluster)\n"),
            File(path: ".gitignore", text: Self.gitignore),
        ]
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
