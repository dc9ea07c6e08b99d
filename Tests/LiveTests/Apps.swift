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
}
