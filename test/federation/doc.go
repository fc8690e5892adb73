// Package federation logs in with the stock client, unchanged, through real
// identity providers: OpenID Connect in every flow that the client knows, SAML,
// and from one cloud to another. Clouds, providers and client run on loopback.
// Below are the tests of package oidc and of OAuth1 that need such a provider,
// or clients that know nothing of us. It is a module of its own, so that what
// these tests need is no part of the product's.
package federation
