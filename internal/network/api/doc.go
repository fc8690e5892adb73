// Package api is Neutron's REST API in front of the network service.
//
// Every resource is one table of attributes: what a request may say, how it is
// checked, how it is shown. Lists, filters, sorting, pages, field selection,
// bulk creation and the errors about unknown attributes follow from the table.
package api
