// Package metadata answers what a guest may ask about itself, in OpenStack's
// and in EC2's form, over HTTP and as files for a config drive.
//
// Over HTTP, who asks is known by two facts that a guest cannot choose: the
// network whose namespace the request arrived in, and its source address,
// which the network's port security guards. Headers play no part in it.
package metadata
