package main

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/pbkdf2"

	"crypto/sha256"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// joinRole is what a token's owner may fetch: agents' things, or the cluster's keys as well.
type joinRole int

const (
	roleNone joinRole = iota
	roleAgent
	roleServer
)

// requires wraps a handler so that it answers 401 to whoever has not shown a fitting token.
func (s *server) requires(needed joinRole) func(http.HandlerFunc) http.Handler {
	return func(next http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.roleOf(r) < needed {
				failure(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
				return
			}
			next(w, r)
		})
	}
}

// roleOf also takes a node's own certificate: as with k3s, an agent that has joined starts again when its token is long gone.
func (s *server) roleOf(r *http.Request) joinRole {
	if role := s.roleOfToken(r); role != roleNone {
		return role
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		for _, group := range r.TLS.VerifiedChains[0][0].Subject.Organization {
			if group == "system:nodes" {
				return roleAgent
			}
		}
	}
	return roleNone
}

func (s *server) roleOfToken(r *http.Request) joinRole {
	if user, password, ok := r.BasicAuth(); ok {
		tokens := s.currentTokens()
		switch {
		case user == "server" && same(password, tokens.server):
			return roleServer
		case user == "node" && (same(password, tokens.agent) || same(password, tokens.server)):
			return roleAgent
		}
		return roleNone
	}
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if isBootstrapToken(bearer) && s.apiReady.Load() && validBootstrapToken(r.Context(), s.admin, bearer) {
		return roleAgent
	}
	return roleNone
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func validBootstrapToken(ctx context.Context, c *kubernetes.Clientset, token string) bool {
	parts := strings.SplitN(token, ".", 2)
	secret, err := c.CoreV1().Secrets(metav1.NamespaceSystem).Get(ctx, bootstrapTokenPrefix+parts[0], metav1.GetOptions{})
	if err != nil || secret.Type != v1.SecretTypeBootstrapToken || secret.DeletionTimestamp != nil {
		return false
	}
	if text := string(secret.Data["expiration"]); text != "" {
		if until, err := time.Parse(time.RFC3339, text); err != nil || time.Now().After(until) {
			return false
		}
	}
	return string(secret.Data["usage-bootstrap-authentication"]) == "true" && same(string(secret.Data["token-secret"]), parts[1])
}

// errNodePassword is what k3s answers to a node whose password is another's.
var errNodePassword = errors.New("unable to verify password for node")

func nodePasswordSecret(node string) string { return strings.ToLower(node) + ".node-password.k3s" }

// ensureNodePassword records a node's password at its first join and compares it at every later one.
func ensureNodePassword(ctx context.Context, c *kubernetes.Clientset, node, password string) error {
	secrets := c.CoreV1().Secrets(metav1.NamespaceSystem)
	secret, err := secrets.Get(ctx, nodePasswordSecret(node), metav1.GetOptions{})
	if err == nil {
		parts := strings.SplitN(string(secret.Data["hash"]), ":", 2)
		if len(parts) == 2 && same(passwordHash(parts[0], password), string(secret.Data["hash"])) {
			return nil
		}
		return errNodePassword
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	immutable := true
	_, err = secrets.Create(ctx, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: nodePasswordSecret(node)}, Immutable: &immutable,
		Data: map[string][]byte{"hash": []byte(passwordHash(randomHex(8), password))}}, metav1.CreateOptions{})
	return err
}

func passwordHash(salt, password string) string {
	key := pbkdf2.Key([]byte(password), []byte(salt), 4096, 32, sha256.New)
	return salt + ":" + base64.RawStdEncoding.EncodeToString(key)
}
