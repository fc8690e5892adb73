package agent

import (
	"kumoi/internal/agent/configdrive"
	"kumoi/internal/agent/metadata"
	"kumoi/internal/hostapi"
)

// writeConfigDrive makes the config drive as the spec has it now. A running
// guest goes on with the one that it was started with.
func writeConfigDrive(path string, spec *hostapi.ServerSpec) error {
	files := map[string][]byte{}
	for _, version := range metadata.Versions {
		for name, body := range metadata.Documents(spec, version) {
			files["openstack/"+version+"/"+name] = body
		}
	}
	for name, body := range metadata.Content(spec) {
		files["openstack/content/"+name] = body
	}
	ec2 := metadata.EC2Document(spec)
	for _, version := range []string{"2009-04-04", "latest"} {
		files["ec2/"+version+"/meta-data.json"] = ec2
		if len(spec.Metadata.UserData) > 0 {
			files["ec2/"+version+"/user-data"] = spec.Metadata.UserData
		}
	}
	return configdrive.Write(path, files, spec.Metadata.CreatedAt)
}
