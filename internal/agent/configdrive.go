package agent

import (
	"kumoi/internal/agent/configdrive"
	"kumoi/internal/agent/metadata"
)

// writeConfigDrive makes the config drive as the spec has it now. A running
// guest goes on with the one that it was started with.
func writeConfigDrive(path string, guest metadata.Guest) error {
	files := map[string][]byte{}
	for _, version := range metadata.Versions {
		for name, body := range metadata.Documents(guest, version) {
			files["openstack/"+version+"/"+name] = body
		}
	}
	for name, body := range metadata.Content(guest) {
		files["openstack/content/"+name] = body
	}
	ec2 := metadata.EC2Document(guest)
	for _, version := range []string{"2009-04-04", "latest"} {
		files["ec2/"+version+"/meta-data.json"] = ec2
		if len(guest.Metadata.UserData) > 0 {
			files["ec2/"+version+"/user-data"] = guest.Metadata.UserData
		}
	}
	return configdrive.Write(path, files, guest.Metadata.CreatedAt)
}
