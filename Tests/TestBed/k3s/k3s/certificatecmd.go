package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
)

// certificateServices are k3s' names for what has certificates, with the files each has, without `.crt` and `.key`.
var certificateServices = map[string][]string{
	"admin":              {"server/tls/client-admin"},
	"api-server":         {"server/tls/client-kube-apiserver", "server/tls/serving-kube-apiserver"},
	"auth-proxy":         {"server/tls/client-auth-proxy"},
	"controller-manager": {"server/tls/client-controller", "server/tls/kube-controller-manager"},
	"etcd":               {"server/tls/etcd/client", "server/tls/etcd/server-client", "server/tls/etcd/peer-server-client"},
	"k3s-controller":     {"agent/client-k3s-controller"},
	"kube-proxy":         {"agent/client-kube-proxy"},
	"kubelet":            {"agent/client-kubelet", "agent/serving-kubelet"},
	"scheduler":          {"server/tls/client-scheduler", "server/tls/kube-scheduler"},
	"supervisor":         {"server/tls/client-supervisor"},
}

var agentServices = []string{"k3s-controller", "kube-proxy", "kubelet"}

// certificateMain is `k3s certificate check|rotate`.
func certificateMain(args []string) error {
	set := pflag.NewFlagSet("k3s certificate", pflag.ContinueOnError)
	services := set.StringSliceP("service", "s", nil, "")
	dataDir := set.StringP("data-dir", "d", "/var/lib/rancher/k3s", "")
	if err := set.Parse(args); err != nil {
		return err
	}
	for _, name := range *services {
		if _, known := certificateServices[name]; !known {
			return fmt.Errorf("service %s is not recognized", name)
		}
	}
	isServer := exists(*dataDir + "/server")
	if len(*services) == 0 && isServer {
		for name := range certificateServices {
			*services = append(*services, name)
		}
	} else if len(*services) == 0 {
		*services = agentServices
	}
	sort.Strings(*services)
	switch set.Arg(0) {
	case "check":
		checkCertificates(*dataDir, *services)
		return nil
	case "rotate":
		return rotateCertificates(*dataDir, *services, isServer)
	}
	return errors.New("k3s certificate needs a subcommand: check or rotate")
}

func checkCertificates(dataDir string, services []string) {
	for _, name := range services {
		logrus.Infof("Checking certificates for %s", name)
		for _, base := range certificateServices[name] {
			text, err := os.ReadFile(filepath.Join(dataDir, base+".crt"))
			if err != nil {
				continue
			}
			for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
				cert, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					continue
				}
				what, end := filepath.Base(base)+".crt: certificate "+cert.Subject.CommonName, cert.NotAfter.Format(time.RFC3339)
				switch left := time.Until(cert.NotAfter); {
				case left < 0:
					logrus.Errorf("%s expired at %s", what, end)
				case left < renewBefore:
					logrus.Warnf("%s will expire within %d days at %s", what, int(renewBefore.Hours()/24), end)
				default:
					logrus.Infof("%s is ok, expires at %s", what, end)
				}
			}
		}
	}
}

// rotateCertificates keeps copies and removes what the next start issues anew; it does not look whether k3s is running.
func rotateCertificates(dataDir string, services []string, isServer bool) error {
	backup := filepath.Join(dataDir, "agent", "tls-"+strconv.FormatInt(time.Now().Unix(), 10))
	if isServer {
		backup = strings.Replace(backup, "/agent/", "/server/", 1)
		err := filepath.Walk(filepath.Join(dataDir, "server", "tls"), func(path string, info os.FileInfo, err error) error {
			if err != nil || !info.Mode().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return writeFile(backup+strings.TrimPrefix(path, filepath.Join(dataDir, "server", "tls")), text, info.Mode())
		})
		if err != nil {
			return err
		}
	}
	for _, name := range services {
		logrus.Info("Rotating certificates for " + name)
		for _, base := range certificateServices[name] {
			for _, suffix := range []string{".crt", ".key"} {
				path := filepath.Join(dataDir, base+suffix)
				if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(base, "agent/") {
					if err := writeFile(filepath.Join(backup, filepath.Base(path)), text, 0o600); err != nil {
						return err
					}
				}
				os.Remove(path)
			}
		}
	}
	logrus.Infof("Successfully backed up certificates to %s, please restart k3s server or agent to rotate certificates", backup)
	return nil
}
