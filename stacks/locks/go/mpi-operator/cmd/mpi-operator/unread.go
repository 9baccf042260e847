package main

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	coreinformers "k8s.io/client-go/informers/core/v1"
	schedulinginformers "k8s.io/client-go/informers/scheduling/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	schedulinglisters "k8s.io/client-go/listers/scheduling/v1"
	"k8s.io/client-go/tools/cache"
)

// unwatched is an informer that asks nobody and tells nothing. What is not defined here the controller does not use.
type unwatched struct{ cache.SharedIndexInformer }

func (unwatched) HasSynced() bool                                    { return true }
func (unwatched) SetWatchErrorHandler(cache.WatchErrorHandler) error { return nil }
func (unwatched) AddEventHandler(cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return nil, nil
}

// unwatchedPriorities stands for the priority classes, which only a scheduler of gangs needs.
type unwatchedPriorities struct{}

var _ schedulinginformers.PriorityClassInformer = unwatchedPriorities{}

func (unwatchedPriorities) Informer() cache.SharedIndexInformer           { return unwatched{} }
func (unwatchedPriorities) Lister() schedulinglisters.PriorityClassLister { return nil }

// unwatchedSecrets knows of no Secret: the controller makes that of a job at each look, and is told that all is well where it is
// there.
type unwatchedSecrets struct {
	corelisters.SecretListerExpansion
	corelisters.SecretNamespaceListerExpansion
}

var (
	_ coreinformers.SecretInformer      = unwatchedSecrets{}
	_ corelisters.SecretLister          = unwatchedSecrets{}
	_ corelisters.SecretNamespaceLister = unwatchedSecrets{}
)

func (unwatchedSecrets) Informer() cache.SharedIndexInformer                      { return unwatched{} }
func (own unwatchedSecrets) Lister() corelisters.SecretLister                     { return own }
func (own unwatchedSecrets) Secrets(string) corelisters.SecretNamespaceLister     { return own }
func (unwatchedSecrets) List(labels.Selector) (found []*corev1.Secret, err error) { return nil, nil }
func (unwatchedSecrets) Get(name string) (*corev1.Secret, error) {
	return nil, errors.NewNotFound(corev1.Resource("secrets"), name)
}

// unreading is the client with a Create of Secrets that takes one that is there for the one that was to be made.
func unreading(client kubernetes.Interface) kubernetes.Interface {
	return clientset{client, &sync.Map{}}
}

// made: namespace and name of a Secret -> UID of the job for which it was made last.
type clientset struct {
	kubernetes.Interface
	made *sync.Map
}

func (own clientset) CoreV1() typedcorev1.CoreV1Interface {
	return core{own.Interface.CoreV1(), own.made}
}

type core struct {
	typedcorev1.CoreV1Interface
	made *sync.Map
}

func (own core) Secrets(namespace string) typedcorev1.SecretInterface {
	return secrets{own.CoreV1Interface.Secrets(namespace), namespace, own.made}
}

type secrets struct {
	typedcorev1.SecretInterface
	namespace string
	made      *sync.Map
}

// Create fails where the Secret is there and known to be of an earlier job of that name: it goes with that job, and is made anew
// then.
func (own secrets) Create(ctx context.Context, secret *corev1.Secret, options metav1.CreateOptions) (*corev1.Secret, error) {
	key := types.NamespacedName{Namespace: own.namespace, Name: secret.Name}
	var owner types.UID
	if controller := metav1.GetControllerOf(secret); controller != nil {
		owner = controller.UID
	}
	created, err := own.SecretInterface.Create(ctx, secret, options)
	if errors.IsAlreadyExists(err) {
		if known, found := own.made.Load(key); !found || known == owner {
			return secret, nil
		}
		return nil, err
	}
	if err == nil {
		own.made.Store(key, owner)
	}
	return created, err
}
