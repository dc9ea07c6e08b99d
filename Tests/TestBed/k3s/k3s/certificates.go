package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityLife = 3650 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is issued anew by a start (120 days since k3s 1.32.4).
	renewBefore = 120 * 24 * time.Hour
)

// authority is a certificate authority with its key.
type authority struct {
	pem  []byte
	cert *x509.Certificate
	key  crypto.Signer
}

// leaf says what a certificate is for.
type leaf struct {
	name   string
	groups []string
	hosts  []string
	usages []x509.ExtKeyUsage
}

var (
	forClient = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	forServer = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	forBoth   = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// ensureAuthority reads base.crt and base.key, or makes them.
func ensureAuthority(base, name string) (*authority, error) {
	if a, err := readAuthority(base); err == nil {
		return a, nil
	} else if !os.IsNotExist(err) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
		NotBefore: now, NotAfter: now.Add(authorityLife), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writeKey(base+".key", key); err != nil {
		return nil, err
	}
	if err := writeFile(base+".crt", certificatePEM(der), 0o644); err != nil {
		return nil, err
	}
	return readAuthority(base)
}

func readAuthority(base string) (*authority, error) {
	text, err := os.ReadFile(base + ".crt")
	if err != nil {
		return nil, err
	}
	keyText, err := os.ReadFile(base + ".key")
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	keyBlock, _ := pem.Decode(keyText)
	if block == nil || keyBlock == nil {
		return nil, fmt.Errorf("%s.crt or .key holds no PEM block", base)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	return &authority{text, cert, key}, err
}

// issue makes a certificate and key, both as PEM. Like k3s it is valid from the authority's own first moment on.
func (a *authority) issue(l leaf) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: l.name, Organization: l.groups},
		NotBefore: a.cert.NotBefore, NotAfter: time.Now().Add(leafLife).UTC(),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: l.usages,
	}
	seen := map[string]bool{}
	for _, host := range l.hosts {
		if host == "" || seen[host] {
			continue
		}
		seen[host] = true
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	return append(certificatePEM(der), a.pem...), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), err
}

// issueFiles writes base.crt and base.key, unless those that are there still hold.
func (a *authority) issueFiles(base string, l leaf) error {
	if a.holds(base, l) {
		return nil
	}
	cert, key, err := a.issue(l)
	if err != nil {
		return err
	}
	if err := writeFile(base+".key", key, 0o600); err != nil {
		return err
	}
	return writeFile(base+".crt", cert, 0o644)
}

// holds tells whether the certificate is of this authority, for these hosts, and far from its end.
func (a *authority) holds(base string, l leaf) bool {
	text, err := os.ReadFile(base + ".crt")
	if err != nil || !exists(base+".key") {
		return false
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || cert.CheckSignatureFrom(a.cert) != nil || time.Until(cert.NotAfter) < renewBefore {
		return false
	}
	for _, host := range l.hosts {
		if host != "" && cert.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// writeFile replaces a file whole, so that a reader or a power cut never meets half of it.
func writeFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	partial := path + ".tmp"
	if err := os.WriteFile(partial, content, mode); err != nil {
		return err
	}
	if err := os.Chmod(partial, mode); err != nil {
		return err
	}
	return os.Rename(partial, path)
}
