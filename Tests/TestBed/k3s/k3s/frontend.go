package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// listen opens the one port that carries supervisor and Kubernetes API. It ends TLS itself, so a client certificate is handed on
// to kube-apiserver as an authenticating proxy does (X-Remote-User and X-Remote-Group under the front proxy's certificate).
func (s *server) listen() error {
	pair, err := tls.LoadX509KeyPair(s.tls("serving-kube-apiserver.crt"), s.tls("serving-kube-apiserver.key"))
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	clients.AddCert(s.pki.client.cert)
	api, err := s.apiProxy()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	s.routes(mux)
	mux.Handle("/", api)
	front := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 120 * time.Second,
		ErrorLog:  stdlog.New(logrus.StandardLogger().WriterLevel(logrus.DebugLevel), "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12}}
	address := net.JoinHostPort(s.str("bind-address", ""), strconv.Itoa(s.port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() { logrus.Fatal(front.ServeTLS(listener, "", "")) }()
	return nil
}

// apiProxy forwards to kube-apiserver over HTTP/1.1, which alone can carry the upgrades of exec and port-forward.
func (s *server) apiProxy() (http.Handler, error) {
	proxyPair, err := tls.LoadX509KeyPair(s.tls("client-auth-proxy.crt"), s.tls("client-auth-proxy.key"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.pki.server.cert)
	target, _ := url.Parse(loopbackAPI)
	proxy := func(certificates ...tls.Certificate) *httputil.ReverseProxy {
		return &httputil.ReverseProxy{
			Director:      func(r *http.Request) { r.URL.Scheme, r.URL.Host = target.Scheme, target.Host },
			FlushInterval: -1,
			ErrorLog:      stdlog.New(logrus.StandardLogger().WriterLevel(logrus.DebugLevel), "", 0),
			ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, err error) { unavailable(w, "apiserver not ready") },
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certificates}, MaxIdleConnsPerHost: 256,
				TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, DisableCompression: true, IdleConnTimeout: 90 * time.Second},
		}
	}
	// Without a client certificate the front proxy's must not be shown either: kube-apiserver would try it as the client's own.
	asUser, plain := proxy(proxyPair), proxy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Remote-") {
				r.Header.Del(name)
			}
		}
		if !s.apiReady.Load() {
			unavailable(w, "apiserver not ready")
			return
		}
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			plain.ServeHTTP(w, r)
			return
		}
		subject := r.TLS.PeerCertificates[0].Subject
		r.Header.Set("X-Remote-User", subject.CommonName)
		for _, group := range subject.Organization {
			r.Header.Add("X-Remote-Group", group)
		}
		asUser.ServeHTTP(w, r)
	}), nil
}

func unavailable(w http.ResponseWriter, message string) {
	failure(w, http.StatusServiceUnavailable, "ServiceUnavailable", message)
}

// failure answers with a Kubernetes Status, as k3s' supervisor does.
func failure(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`+"\n", message, reason, code)
}
