/* Names the Vulkan devices of this container, one a line: what a program that draws here can choose from. */
#include <stdio.h>
#include <vulkan/vulkan.h>

#define MOST 16

static const char *kind(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return "cpu";
    default: return "other";
    }
}

int main(void)
{
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "generations-devices",
        .apiVersion = VK_API_VERSION_1_1,
    };
    const VkInstanceCreateInfo wanted = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    VkInstance instance;
    VkPhysicalDevice devices[MOST];
    uint32_t count = MOST;
    VkResult result = vkCreateInstance(&wanted, NULL, &instance);

    if (result != VK_SUCCESS) {
        fprintf(stderr, "no Vulkan here: vkCreateInstance returned %d\n", result);
        return 1;
    }
    result = vkEnumeratePhysicalDevices(instance, &count, devices);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        fprintf(stderr, "vkEnumeratePhysicalDevices returned %d\n", result);
        count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceProperties properties;

        vkGetPhysicalDeviceProperties(devices[i], &properties);
        printf("%s: %s\n", kind(properties.deviceType), properties.deviceName);
    }
    vkDestroyInstance(instance, NULL);
    return count ? 0 : 1;
}
