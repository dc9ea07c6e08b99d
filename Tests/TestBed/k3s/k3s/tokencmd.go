package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
)

const bootstrapTokenPrefix = "bootstrap-token-"

// bootstrapToken is one token as `token list -o json` shows it.
type bootstrapToken struct {
	Token       string     `json:"token"`
	Description string     `json:"description,omitempty"`
	TTL         string     `json:"ttl,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`
	Usages      []string   `json:"usages,omitempty"`
	Groups      []string   `json:"groups,omitempty"`
}

// tokenMain is `k3s token create|delete|list|generate`, for tokens that join agents only and end by themselves, and `rotate` for the server's.
func tokenMain(args []string) error {
	set := pflag.NewFlagSet("k3s token", pflag.ContinueOnError)
	ttl := set.Duration("ttl", 24*time.Hour, "")
	description := set.String("description", "", "")
	groups := set.StringSlice("groups", []string{"system:bootstrappers:k3s:default-node-token"}, "")
	output := set.StringP("output", "o", "text", "")
	dataDir := set.StringP("data-dir", "d", "/var/lib/rancher/k3s", "")
	kubeconfig := set.String("kubeconfig", "", "")
	token := set.StringP("token", "t", "", "")
	newToken := set.String("new-token", "", "")
	serverURL := set.StringP("server", "s", "https://127.0.0.1:6443", "")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() == 0 {
		return errors.New("k3s token needs a subcommand: create, delete, generate, list or rotate")
	}
	if set.Arg(0) == "generate" {
		fmt.Println(randomWord(6) + "." + randomWord(16))
		return nil
	}
	if set.Arg(0) == "rotate" {
		return rotateTokenMain(*token, *newToken, *serverURL, *dataDir)
	}
	if *kubeconfig == "" {
		*kubeconfig = *dataDir + "/server/cred/admin.kubeconfig"
	}
	c, err := client(*kubeconfig)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	secrets := c.CoreV1().Secrets(metav1.NamespaceSystem)
	switch set.Arg(0) {
	case "create":
		return createToken(ctx, secrets, set.Arg(1), *description, *ttl, *groups, *dataDir)
	case "delete":
		return deleteTokens(ctx, secrets, set.Args()[1:])
	case "list":
		return listTokens(ctx, secrets, *output)
	}
	return fmt.Errorf("No help topic for '%s'", set.Arg(0))
}

func createToken(ctx context.Context, secrets typed.SecretInterface, token, description string, ttl time.Duration, groups []string, dataDir string) error {
	if token == "" {
		token = randomWord(6) + "." + randomWord(16)
	}
	if !isBootstrapToken(token) {
		return fmt.Errorf("the bootstrap token %q was not of the form \"\\A([a-z0-9]{6})\\.([a-z0-9]{16})\\z\"", token)
	}
	bundle, err := os.ReadFile(dataDir + "/server/tls/server-ca.crt")
	if err != nil {
		return err
	}
	hash, err := authorityHash(bundle)
	if err != nil {
		return err
	}
	id := token[:6]
	data := map[string]string{"token-id": id, "token-secret": token[7:], "usage-bootstrap-authentication": "true",
		"usage-bootstrap-signing": "true", "auth-extra-groups": strings.Join(groups, ",")}
	if description != "" {
		data["description"] = description
	}
	if ttl > 0 {
		data["expiration"] = time.Now().Add(ttl).UTC().Format(time.RFC3339)
	}
	_, err = secrets.Create(ctx, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: bootstrapTokenPrefix + id},
		Type: v1.SecretTypeBootstrapToken, StringData: data}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	fmt.Printf("K10%s::%s\n", hash, token)
	return nil
}

// deleteTokens takes ids, tokens or the full form.
func deleteTokens(ctx context.Context, secrets typed.SecretInterface, tokens []string) error {
	if len(tokens) == 0 {
		return errors.New("missing argument; 'token delete' is missing token")
	}
	for _, text := range tokens {
		if i := strings.Index(text, "::"); i >= 0 {
			text = text[i+2:]
		}
		id := strings.SplitN(text, ".", 2)[0]
		if err := secrets.Delete(ctx, bootstrapTokenPrefix+id, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("failed to delete bootstrap token %q: %w", id, err)
		}
		fmt.Printf("bootstrap token %q deleted\n", id)
	}
	return nil
}

func listTokens(ctx context.Context, secrets typed.SecretInterface, output string) error {
	list, err := secrets.List(ctx, metav1.ListOptions{FieldSelector: "type=" + string(v1.SecretTypeBootstrapToken)})
	if err != nil {
		return err
	}
	tokens := []bootstrapToken{}
	for _, s := range list.Items {
		t := bootstrapToken{Token: string(s.Data["token-id"]) + "." + string(s.Data["token-secret"]),
			Description: string(s.Data["description"]), Groups: strings.Split(string(s.Data["auth-extra-groups"]), ","), TTL: "<forever>"}
		if at, err := time.Parse(time.RFC3339, string(s.Data["expiration"])); err == nil {
			t.Expires, t.TTL = &at, "<invalid>"
			if left := time.Until(at); left > 0 {
				t.TTL = left.Round(time.Second).String()
			}
		}
		for _, usage := range []string{"authentication", "signing"} {
			if string(s.Data["usage-bootstrap-"+usage]) == "true" {
				t.Usages = append(t.Usages, usage)
			}
		}
		tokens = append(tokens, t)
	}
	if output == "json" {
		return json.NewEncoder(os.Stdout).Encode(tokens)
	}
	table := tabwriter.NewWriter(os.Stdout, 10, 4, 3, ' ', 0)
	fmt.Fprintln(table, "TOKEN\tTTL\tEXPIRES\tUSAGES\tDESCRIPTION\tEXTRA GROUPS")
	for _, t := range tokens {
		expires := "<never>"
		if t.Expires != nil {
			expires = t.Expires.Format(time.RFC3339)
		}
		description := t.Description
		if description == "" {
			description = "<none>"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Token, t.TTL, expires, strings.Join(t.Usages, ","), description, strings.Join(t.Groups, ","))
	}
	return table.Flush()
}

func randomWord(length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	word := make([]byte, length)
	for i := range word {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			panic(err)
		}
		word[i] = letters[n.Int64()]
	}
	return string(word)
}
