// Package federation logs in with the stock client, unchanged, through real
// identity providers: OpenID Connect in every flow that the client knows, SAML,
// and from one cloud to another. Clouds, providers and client run on loopback.
package federation
