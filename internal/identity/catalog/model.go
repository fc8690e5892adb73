package catalog

// Region is a place that has endpoints.
type Region struct {
	ID, ParentID, Description string
	Extra                     map[string]any
}

// Service is a service of the catalogue.
type Service struct {
	ID, Type, Name, Description string
	Enabled                     bool
	Extra                       map[string]any
}

// Endpoint is where a service answers. A URL that begins with a slash is below
// the address at which the client reached this cloud.
type Endpoint struct {
	ID, ServiceID, RegionID, Interface, URL string
	Enabled                                 bool
	Extra                                   map[string]any
}

// EndpointGroup selects endpoints by service, region or interface.
type EndpointGroup struct {
	ID, Name, Description string
	Filters               map[string]string
}

// Link lets a project see an endpoint or a group of them.
type Link struct{ ProjectID, EndpointID, GroupID string }

// Policy is a policy blob kept for other services (a legacy API).
type Policy struct {
	ID, Type string
	Blob     any
	Extra    map[string]any
}

// Association says what a policy document applies to.
type Association struct{ PolicyID, EndpointID, ServiceID, RegionID string }
