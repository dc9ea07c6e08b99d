package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const (
	etcdNameAnnotation    = "etcd.k3s.cattle.io/node-name"
	etcdAddressAnnotation = "etcd.k3s.cattle.io/node-address"
	etcdRemoveAnnotation  = "etcd.k3s.cattle.io/remove"
	etcdRemovedAnnotation = "etcd.k3s.cattle.io/removed-node-name"
	etcdLabel             = "node-role.kubernetes.io/etcd"
	nodeFinalizer         = "wrangler.cattle.io/node"
	memberFinalizer       = "wrangler.cattle.io/managed-etcd-controller"
)

// followNodes runs on every server: it labels the server's own Node, removes etcd members on demand, and cleans up behind
// deleted Nodes. Every step can be done by two servers at once without harm.
func (s *server) followNodes(ctx context.Context) {
	factory := informers.NewSharedInformerFactory(s.admin, 0)
	queue := workqueue.NewRateLimitingQueue(workqueue.NewItemExponentialFailureRateLimiter(200*time.Millisecond, 15*time.Second))
	nodes := factory.Core().V1().Nodes()
	add := func(object interface{}) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			queue.Add(key)
		}
	}
	nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, o interface{}) { add(o) }})
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for ctx.Err() == nil {
		key, down := queue.Get()
		if down {
			return
		}
		node, err := nodes.Lister().Get(key.(string))
		if err == nil {
			err = s.settleNode(ctx, node.DeepCopy())
		}
		if err != nil && !apierrors.IsNotFound(err) {
			if !apierrors.IsConflict(err) {
				logrus.Errorf("Node %s: %v", key, err)
			}
			queue.AddRateLimited(key)
		} else {
			queue.Forget(key)
		}
		queue.Done(key)
	}
}

func (s *server) settleNode(ctx context.Context, node *v1.Node) error {
	if node.DeletionTimestamp != nil {
		return s.buryNode(ctx, node)
	}
	before := node.DeepCopy()
	addFinalizer(node, nodeFinalizer)
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	if node.Annotations == nil {
		node.Annotations = map[string]string{}
	}
	if node.Labels[etcdLabel] == "true" {
		addFinalizer(node, memberFinalizer)
	}
	node.Labels["node.kubernetes.io/instance-type"] = "k3s"
	if node.Spec.ProviderID == "" {
		node.Spec.ProviderID = "k3s://" + node.Name
	}
	if node.Name == s.nodeName {
		s.markOwn(node)
	}
	if err := s.removeOnDemand(ctx, node); err != nil {
		return err
	}
	if sameMeta(before, node) {
		return nil
	}
	_, err := s.admin.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
	return err
}

// markOwn gives the server's own Node the roles a kubelet may not give itself.
func (s *server) markOwn(node *v1.Node) {
	node.Labels["node-role.kubernetes.io/control-plane"] = "true"
	node.Labels["node-role.kubernetes.io/master"] = "true"
	if !s.etcd {
		return
	}
	node.Labels[etcdLabel] = "true"
	text, err := os.ReadFile(s.etcdDir("name"))
	if err != nil {
		return
	}
	name := strings.TrimSpace(string(text))
	if removed := node.Annotations[etcdRemovedAnnotation]; removed != "" && removed != name {
		// The node has come back as a new member: the old request is done with.
		delete(node.Annotations, etcdRemoveAnnotation)
		delete(node.Annotations, etcdRemovedAnnotation)
	}
	node.Annotations[etcdNameAnnotation] = name
	node.Annotations[etcdAddressAnnotation] = s.nodeIP
}

// removeOnDemand follows the annotation that asks for a member's removal and leaves the Node.
func (s *server) removeOnDemand(ctx context.Context, node *v1.Node) error {
	name := node.Annotations[etcdNameAnnotation]
	if !s.etcd || node.Annotations[etcdRemoveAnnotation] != "true" || name == "" || node.Annotations[etcdRemovedAnnotation] == name {
		return nil
	}
	if err := s.removeMember(ctx, name, node.Annotations[etcdAddressAnnotation]); err != nil {
		return err
	}
	node.Annotations[etcdRemovedAnnotation] = name
	return nil
}

// buryNode does what has to be done before a Node may vanish: its etcd member and its password go first.
func (s *server) buryNode(ctx context.Context, node *v1.Node) error {
	if s.etcd && node.Labels[etcdLabel] == "true" && node.Annotations[etcdNameAnnotation] != "" {
		if err := s.removeMember(ctx, node.Annotations[etcdNameAnnotation], node.Annotations[etcdAddressAnnotation]); err != nil {
			return err
		}
	}
	err := s.admin.CoreV1().Secrets(metav1.NamespaceSystem).Delete(ctx, nodePasswordSecret(node.Name), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	var kept []string
	for _, f := range node.Finalizers {
		if f != nodeFinalizer && f != memberFinalizer {
			kept = append(kept, f)
		}
	}
	if len(kept) == len(node.Finalizers) {
		return nil
	}
	node.Finalizers = kept
	_, err = s.admin.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
	return err
}

func addFinalizer(node *v1.Node, name string) {
	for _, f := range node.Finalizers {
		if f == name {
			return
		}
	}
	node.Finalizers = append(node.Finalizers, name)
}

func sameMeta(a, b *v1.Node) bool {
	return sameMap(a.Labels, b.Labels) && sameMap(a.Annotations, b.Annotations) && len(a.Finalizers) == len(b.Finalizers) &&
		a.Spec.ProviderID == b.Spec.ProviderID
}

func sameMap(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}
