package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/etcdserver/etcdserverpb"
)

// clusterConfig is what /v1-k3s/config tells a node that joins.
type clusterConfig struct {
	ClusterCIDR, ServiceCIDR, ClusterDNS, ClusterDomain, FlannelBackend, Version string
	DisableKubeProxy                                                             bool
	Critical                                                                     map[string]string
}

// memberInfo is what /db/info tells a server that joins.
type memberInfo struct {
	Members []*etcdserverpb.Member `json:"members"`
}

// routes are the supervisor's own paths; all others belong to kube-apiserver.
func (s *server) routes(mux *http.ServeMux) {
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("pong")) })
	mux.HandleFunc("/cacerts", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(s.pki.server.pem)
	})
	agents, servers := s.requires(roleAgent), s.requires(roleServer)
	mux.Handle("/v1-k3s/config", agents(s.whenCoreReady(s.serveConfig)))
	mux.Handle("/v1-k3s/readyz", agents(s.whenCoreReady(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })))
	mux.Handle("/v1-k3s/apiservers", agents(s.whenCoreReady(s.serveAPIServers)))
	mux.Handle("/v1-k3s/client-kubelet.crt", agents(s.whenCoreReady(s.serveKubeletCertificate(false))))
	mux.Handle("/v1-k3s/serving-kubelet.crt", agents(s.whenCoreReady(s.serveKubeletCertificate(true))))
	mux.Handle("/v1-k3s/client-kube-proxy.crt", agents(s.serveClientCertificate(leaf{name: "system:kube-proxy", usages: forClient})))
	mux.Handle("/v1-k3s/client-k3s-controller.crt", agents(s.serveClientCertificate(leaf{name: "system:k3s-controller", usages: forClient})))
	mux.Handle("/v1-k3s/client-ca.crt", agents(s.serveFile("client-ca.crt")))
	mux.Handle("/v1-k3s/server-ca.crt", agents(s.serveFile("server-ca.crt")))
	mux.Handle("/v1-k3s/server-bootstrap", servers(s.serveShared))
	mux.Handle("/v1-k3s/token", servers(s.whenCoreReady(s.serveToken)))
	mux.Handle("/db/info", servers(s.serveMembers))
}

func (s *server) whenCoreReady(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.apiReady.Load() {
			unavailable(w, "runtime core not ready")
			return
		}
		next(w, r)
	}
}

func answer(w http.ResponseWriter, value interface{}) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func (s *server) clusterConfig() clusterConfig {
	return clusterConfig{ClusterCIDR: s.clusterCIDR, ServiceCIDR: s.serviceCIDR, ClusterDNS: s.clusterDNS, ClusterDomain: s.clusterDomain,
		FlannelBackend: s.str("flannel-backend", "vxlan"), Version: version(), DisableKubeProxy: s.flag("disable-kube-proxy"),
		Critical: s.criticalArgs()}
}

func (s *server) serveConfig(w http.ResponseWriter, _ *http.Request) { answer(w, s.clusterConfig()) }

func (s *server) serveAPIServers(w http.ResponseWriter, r *http.Request) {
	addresses, err := apiServers(r.Context(), s.admin)
	if err != nil {
		unavailable(w, err.Error())
		return
	}
	answer(w, addresses)
}

func (s *server) serveFile(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, s.tls(name)) }
}

func (s *server) serveClientCertificate(l leaf) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { s.serveIssued(w, s.pki.client, l) }
}

func (s *server) serveIssued(w http.ResponseWriter, by *authority, l leaf) {
	cert, key, err := by.issue(l)
	if err != nil {
		failure(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	_, _ = w.Write(append(cert, key...))
}

// serveKubeletCertificate gives a node its certificates once its node password has been accepted.
func (s *server) serveKubeletCertificate(serving bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, password := r.Header.Get("K3s-Node-Name"), r.Header.Get("K3s-Node-Password")
		if name == "" || password == "" {
			failure(w, http.StatusBadRequest, "BadRequest", "node name or node password not set")
			return
		}
		if err := ensureNodePassword(r.Context(), s.admin, name, password); err != nil {
			failure(w, http.StatusForbidden, "Forbidden", err.Error())
			return
		}
		if serving {
			s.serveIssued(w, s.pki.server, leaf{name: name, hosts: append([]string{name, "localhost", "127.0.0.1"}, r.Header.Values("K3s-Node-IP")...), usages: forServer})
			return
		}
		s.serveIssued(w, s.pki.client, leaf{name: "system:node:" + name, groups: []string{"system:nodes"}, usages: forClient})
	}
}

// sharedData is the content of sharedFiles and the configuration that must agree.
type sharedData struct {
	Files  map[string][]byte
	Config clusterConfig
}

func (s *server) serveShared(w http.ResponseWriter, _ *http.Request) {
	if !s.etcd {
		failure(w, http.StatusBadRequest, "BadRequest", "this server's datastore is not etcd: start it with --cluster-init first")
		return
	}
	data := sharedData{Files: map[string][]byte{}, Config: s.clusterConfig()}
	for _, name := range sharedFiles {
		text, err := os.ReadFile(filepath.Join(s.tls(), name))
		if err != nil {
			failure(w, http.StatusInternalServerError, "InternalError", err.Error())
			return
		}
		data.Files[name] = text
	}
	answer(w, data)
}

func (s *server) serveMembers(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	c, err := s.etcdClient(etcdLocal)
	if err != nil {
		unavailable(w, err.Error())
		return
	}
	defer c.Close()
	list, err := c.MemberList(ctx)
	if err != nil {
		unavailable(w, err.Error())
		return
	}
	answer(w, memberInfo{list.Members})
}
