package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crypto/sha256"
	"encoding/hex"
)

// tokenKey says which token the datastore is bound to. k3s keeps the cluster's keys below /bootstrap, encrypted with it.
const tokenKey = "/bootstrap/token"

var errOtherToken = errors.New("bootstrap data already found and encrypted with different token")

func tokenMark(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// bindToken refuses a token that is not the datastore's, and gives a new datastore this one.
func (s *server) bindToken(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := s.etcdClient(etcdLocal)
	if err != nil {
		return err
	}
	defer c.Close()
	found, err := c.Get(ctx, tokenKey)
	if err != nil {
		return err
	}
	mark := tokenMark(s.currentTokens().server)
	if len(found.Kvs) == 0 {
		_, err = c.Put(ctx, tokenKey, mark)
		return err
	}
	if string(found.Kvs[0].Value) != mark {
		return errOtherToken
	}
	return nil
}

func (s *server) currentTokens() serverTokens {
	s.tokensLock.Lock()
	defer s.tokensLock.Unlock()
	return s.tokens
}

// serveToken is PUT /v1-k3s/token: this server and the datastore have the new token at once, the other servers when they start with it.
func (s *server) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		failure(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "method not allowed")
		return
	}
	var request struct {
		NewToken string `json:"newToken"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		failure(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	if err := s.rotateToken(r.Context(), request.NewToken); err != nil {
		failure(w, http.StatusInternalServerError, "InternalError", err.Error())
	}
}

func (s *server) rotateToken(ctx context.Context, password string) error {
	if password == "" {
		password = randomHex(16)
	}
	old := s.currentTokens()
	fresh := serverTokens{server: password, agent: old.agent}
	if old.agent == old.server {
		fresh.agent = password
	}
	hash, err := authorityHash(s.pki.server.pem)
	if err != nil {
		return err
	}
	if err := fresh.write(s.serverPath(), hash); err != nil {
		return err
	}
	c, err := s.etcdClient(etcdLocal)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Put(ctx, tokenKey, tokenMark(password)); err != nil {
		return err
	}
	s.tokensLock.Lock()
	s.tokens = fresh
	s.tokensLock.Unlock()
	return nil
}

// rotateTokenMain is `k3s token rotate`: it asks the server on this machine, with the token in its file when none is given.
func rotateTokenMain(token, newToken, serverURL, dataDir string) error {
	fmt.Println("\033[33mWARNING\033[0m: Recommended to keep a record of the old token. If restoring from a snapshot, you must use the token associated with that snapshot.")
	if token == "" {
		text, err := os.ReadFile(filepath.Join(dataDir, "server", "token"))
		if err != nil {
			return err
		}
		token = strings.TrimSpace(string(text))
	}
	credentials, err := parseToken(token, "server")
	if err != nil {
		return err
	}
	c := &supervisorClient{url: strings.TrimSuffix(serverURL, "/"), credentials: credentials}
	if err := c.trust(); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"newToken": newToken})
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPut, c.url+"/v1-k3s/token", bytes.NewReader(body))
	if err != nil {
		return err
	}
	credentials.authorize(request)
	response, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: c.tlsConfig()}}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	fmt.Println("Token rotated, restart k3s nodes with new token")
	return nil
}
