package main

import (
	"encoding/base64"
	"fmt"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// kubeconfig is a file whose cluster, user and context are all named default, as in k3s.
func kubeconfig(server string, authorityPEM, cert, key []byte) []byte {
	b := base64.StdEncoding.EncodeToString
	return []byte(fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, b(authorityPEM), server, b(cert), b(key)))
}

// writeKubeconfig takes certificate and key from base.crt and base.key.
func writeKubeconfig(path, server, authorityFile, base string, mode os.FileMode) error {
	var parts [3][]byte
	for i, file := range []string{authorityFile, base + ".crt", base + ".key"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parts[i] = text
	}
	return writeFile(path, kubeconfig(server, parts[0], parts[1], parts[2]), mode)
}

// client is a typed client for the kubeconfig at path.
func client(path string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 100
	return kubernetes.NewForConfig(config)
}
