/// The app that the live tests push: its image is one of those that the test bed preloads on every node.
enum Apps {
    static let kustomization = """
        apiVersion: kustomize.config.k8s.io/v1beta1
        kind: Kustomization
        namespace: hello
        resources: [hello.yaml]
        configMapGenerator:
          - name: page
            literals: [colour=green]

        """

    static func hello(page: String) -> String {
        """
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
            matchLabels: {app: hello}
          template:
            metadata:
              labels: {app: hello}
              annotations: {page: \(page)}
            spec:
              containers:
                - name: web
                  image: homelab.local/hello:1
                  imagePullPolicy: IfNotPresent
                  ports: [{containerPort: 8080}]
                  readinessProbe:
                    tcpSocket: {port: 8080}
                    periodSeconds: 1
                  envFrom:
                    - configMapRef: {name: page}
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: hello
        spec:
          selector: {app: hello}
          ports: [{port: 80, targetPort: 8080}]

        """
    }

    /// Two pods on two nodes, of which one at a time may be missing.
    static let guarded = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: default}
        spec:
          replicas: 2
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              containers:
                - name: web
                  image: homelab.local/hello:1
                  imagePullPolicy: IfNotPresent
                  readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
              affinity:
                podAntiAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                    - labelSelector: {matchLabels: {app: web}}
                      topologyKey: kubernetes.io/hostname
        ---
        apiVersion: policy/v1beta1
        kind: PodDisruptionBudget
        metadata: {name: web, namespace: default}
        spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}

        """

    /// One pod on one node, which a drain may never take away.
    static func immovable(on node: String) -> String {
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: still, namespace: default}
        spec:
          replicas: 1
          selector: {matchLabels: {app: still}}
          template:
            metadata: {labels: {app: still}}
            spec:
              nodeSelector: {kubernetes.io/hostname: \(node)}
              terminationGracePeriodSeconds: 1
              containers:
                - name: web
                  image: homelab.local/hello:1
                  imagePullPolicy: IfNotPresent
                  readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        ---
        apiVersion: policy/v1beta1
        kind: PodDisruptionBudget
        metadata: {name: still, namespace: default}
        spec: {minAvailable: 1, selector: {matchLabels: {app: still}}}

        """
    }

    /// The guarded app's ready pods as one of the servers tells; nil while none of them does.
    static func readyPods(_ lab: Lab) throws -> Int? {
        let query =
            "k3s kubectl -n default get deployment web --request-timeout=3s -o 'jsonpath={.spec.replicas}/{.status.readyReplicas}'"
        for server in ["m3", "m2", "m1"] {
            let result = try lab.on(server, query, limit: 10)
            if result.succeeded, result.output.hasPrefix("2/") { return Int(result.output.dropFirst(2)) ?? 0 }
        }
        return nil
    }
}
